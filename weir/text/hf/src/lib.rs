//! The C interface (weir_hf.h) through which weir/text uses the `tokenizers` and `minijinja`
//! crates. Nothing here decides anything about a tokenizer's format: that is the C++ side's work.
//! No panic leaves an exported function; it becomes `Status::Panicked` with the panic's message.

mod boundary;
mod chat_template;
mod encoding;
mod load;
mod tokenizer;
mod vocabulary;
