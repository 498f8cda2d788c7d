//! Making, changing and writing tokenizers.

use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use serde_json::{json, Value};
use tokenizers::models::bpe::{BpeTrainerBuilder, BPE};
use tokenizers::models::TrainerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, PostProcessorWrapper, Tokenizer};

use crate::boundary::{guard, list, Bytes, Failure, Outcome, Slice, Status};
use crate::load::{add_tokens_from_json, tokenizer_from_json};

fn hand_over(tokenizer: Tokenizer, out: *mut *mut Tokenizer) {
    unsafe { out.write(Box::into_raw(Box::new(tokenizer))) }
}

/// # Safety
/// `json` is readable, `out` and `error` are writable.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_create(
    json: Slice,
    out: *mut *mut Tokenizer,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        hand_over(tokenizer_from_json(json.text()?)?, out);
        Ok(())
    })
}

/// # Safety
/// `tokenizer` came from this library and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_free(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

/// WeirHfNextText of weir_hf.h.
pub type NextText = unsafe extern "C" fn(context: *mut c_void, text: *mut Slice) -> bool;

/// Texts as C++ hands them over, one at a time.
struct Texts {
    next: NextText,
    context: *mut c_void,
    failure: Arc<Mutex<Option<Failure>>>,
}

// SAFETY: weir_hf.h asks of the callback that any thread may call it, one at a time.
unsafe impl Send for Texts {}

impl Iterator for Texts {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut slice = Slice {
            data: std::ptr::null(),
            size: 0,
        };
        // SAFETY: the slice is readable until the next call; the text is copied before.
        let text = unsafe {
            if !(self.next)(self.context, &mut slice) {
                return None;
            }
            slice.text()
        };
        match text {
            Ok(text) => Some(text.to_string()),
            Err(failure) => {
                if let Ok(mut place) = self.failure.lock() {
                    *place = Some(failure);
                }
                None
            }
        }
    }
}

fn train(
    texts: Texts,
    vocab_size: usize,
    min_frequency: u64,
    special: Vec<&str>,
) -> Outcome<Tokenizer> {
    let byte_level = ByteLevel::new(false, false, true);
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(byte_level));
    tokenizer.with_post_processor(Some(byte_level));
    tokenizer.with_decoder(Some(byte_level));
    let special_tokens = special
        .into_iter()
        .map(|token| AddedToken::from(token, true))
        .collect();
    let mut trainer = TrainerWrapper::BpeTrainer(
        BpeTrainerBuilder::new()
            .vocab_size(vocab_size)
            .min_frequency(min_frequency)
            .show_progress(false)
            .special_tokens(special_tokens)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build(),
    );
    let failure = texts.failure.clone();
    tokenizer.train(&mut trainer, texts)?;
    match failure.lock().ok().and_then(|mut failure| failure.take()) {
        Some(failure) => Err(failure),
        None => Ok(tokenizer),
    }
}

/// # Safety
/// `next` is as weir_hf.h says, `special` is readable, `out` and `error` are writable.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_train_bpe(
    next: NextText,
    context: *mut c_void,
    special: *const Slice,
    n_special: usize,
    vocab_size: usize,
    min_frequency: u64,
    out: *mut *mut Tokenizer,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        let texts = Texts {
            next,
            context,
            failure: Arc::default(),
        };
        let special: Outcome<Vec<&str>> = list(special, n_special)
            .iter()
            .map(|token| token.text())
            .collect();
        hand_over(train(texts, vocab_size, min_frequency, special?)?, out);
        Ok(())
    })
}

/// # Safety
/// `tokenizer` came from this library and nobody else uses it meanwhile.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_add_tokens(
    tokenizer: *mut Tokenizer,
    json: Slice,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        add_tokens_from_json(&mut *tokenizer, json.text()?)
    })
}

/// The processors that only move offsets, which stay when the frame around a text changes.
fn offset_processors(processor: Option<&PostProcessorWrapper>) -> Outcome<Vec<Value>> {
    let Some(processor) = processor else {
        return Ok(vec![]);
    };
    let value = serde_json::to_value(processor)?;
    let parts = match value.get("processors") {
        Some(Value::Array(parts)) => parts.clone(),
        _ => vec![value],
    };
    Ok(parts
        .into_iter()
        .filter(|part| part["type"] == "ByteLevel")
        .collect())
}

fn frame(tokenizer: &mut Tokenizer, before: Option<u32>, after: Option<u32>) -> Outcome<()> {
    let mut single = vec![json!({"Sequence": {"id": "A", "type_id": 0}})];
    let mut pair = vec![
        single[0].clone(),
        json!({"Sequence": {"id": "B", "type_id": 0}}),
    ];
    let mut special = serde_json::Map::new();
    for (id, is_before) in [(before, true), (after, false)] {
        let Some(id) = id else { continue };
        let token = tokenizer
            .id_to_token(id)
            .ok_or_else(|| format!("no token has the id {id}"))?;
        let piece = json!({"SpecialToken": {"id": token.clone(), "type_id": 0}});
        for template in [&mut single, &mut pair] {
            let place = if is_before { 0 } else { template.len() };
            template.insert(place, piece.clone());
        }
        special.insert(
            token.clone(),
            json!({"id": token.clone(), "ids": [id], "tokens": [token]}),
        );
    }
    let mut processors = offset_processors(tokenizer.get_post_processor())?;
    processors.push(
        json!({"type": "TemplateProcessing", "single": single, "pair": pair,
                           "special_tokens": special}),
    );
    let sequence = json!({"type": "Sequence", "processors": processors});
    tokenizer.with_post_processor(Some(serde_json::from_value::<PostProcessorWrapper>(
        sequence,
    )?));
    Ok(())
}

/// # Safety
/// As `weir_hf_add_tokens`.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_frame(
    tokenizer: *mut Tokenizer,
    before: i64,
    after: i64,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        frame(
            &mut *tokenizer,
            u32::try_from(before).ok(),
            u32::try_from(after).ok(),
        )
    })
}

/// # Safety
/// `tokenizer` came from this library, `out` and `error` are writable.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_to_json(
    tokenizer: *const Tokenizer,
    out: *mut Bytes,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        out.write(Bytes::from_vec((*tokenizer).to_string(false)?.into_bytes()));
        Ok(())
    })
}
