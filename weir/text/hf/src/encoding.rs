//! Text to ids and back.

use tokenizers::parallelism::MaybeParallelIterator;
use tokenizers::Tokenizer;

use crate::boundary::{guard, leak, list, reclaim, Bytes, Outcome, Slice, Status};

/// WeirHfEncoding of weir_hf.h: `spans` holds begin and end of each token in turn.
#[repr(C)]
pub struct Encoding {
    ids: *mut u32,
    n_ids: usize,
    spans: *mut u64,
    n_spans: usize,
}

impl From<tokenizers::Encoding> for Encoding {
    fn from(encoding: tokenizers::Encoding) -> Self {
        let offsets = encoding.get_offsets().iter();
        let (spans, n_spans) = leak(
            offsets
                .flat_map(|(begin, end)| [*begin as u64, *end as u64])
                .collect(),
        );
        let (ids, n_ids) = leak(encoding.get_ids().to_vec());
        Encoding {
            ids,
            n_ids,
            spans,
            n_spans,
        }
    }
}

/// # Safety
/// `encoding` came out of this library and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_encoding_free(encoding: Encoding) {
    reclaim(encoding.ids, encoding.n_ids);
    reclaim(encoding.spans, encoding.n_spans);
}

/// # Safety
/// `tokenizer` came from this library, `text` is readable, `out` and `error` are writable.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_encode(
    tokenizer: *const Tokenizer,
    text: Slice,
    add_special: bool,
    out: *mut Encoding,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        out.write((*tokenizer).encode(text.text()?, add_special)?.into());
        Ok(())
    })
}

/// # Safety
/// As `weir_hf_encode`; `out` has room for one encoding a text.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_encode_batch(
    tokenizer: *const Tokenizer,
    texts: *const Slice,
    n_texts: usize,
    add_special: bool,
    out: *mut Encoding,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        let texts: Outcome<Vec<&str>> = list(texts, n_texts)
            .iter()
            .map(|text| text.text())
            .collect();
        let encodings = (*tokenizer).encode_batch(texts?, add_special)?;
        for (index, encoding) in encodings.into_iter().enumerate() {
            out.add(index).write(encoding.into());
        }
        Ok(())
    })
}

/// WeirHfIdLists of weir_hf.h: `ends` holds where the ids of each text end.
#[repr(C)]
pub struct IdLists {
    ids: *mut u32,
    n_ids: usize,
    ends: *mut u64,
    n_ends: usize,
}

/// # Safety
/// `lists` came out of this library and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_id_lists_free(lists: IdLists) {
    reclaim(lists.ids, lists.n_ids);
    reclaim(lists.ends, lists.n_ends);
}

// Each thread lets go of an encoding as soon as its ids are copied: the spellings and masks in it are
// many times their size.
fn encode_ids(tokenizer: &Tokenizer, texts: Vec<&str>, add_special: bool) -> Outcome<IdLists> {
    let lists = texts
        .into_maybe_par_iter()
        .map(|text| {
            let encoding = tokenizer.encode_fast(text, add_special)?;
            Ok(encoding.get_ids().to_vec())
        })
        .collect::<tokenizers::Result<Vec<Vec<u32>>>>()?;
    let mut end = 0u64;
    let ends = lists.iter().map(|list| {
        end += list.len() as u64;
        end
    });
    let (ends, n_ends) = leak(ends.collect());
    let (ids, n_ids) = leak(lists.concat());
    Ok(IdLists {
        ids,
        n_ids,
        ends,
        n_ends,
    })
}

/// # Safety
/// As `weir_hf_encode`; `texts` has `n_texts` readable texts.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_encode_ids(
    tokenizer: *const Tokenizer,
    texts: *const Slice,
    n_texts: usize,
    add_special: bool,
    out: *mut IdLists,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        let texts: Outcome<Vec<&str>> = list(texts, n_texts)
            .iter()
            .map(|text| text.text())
            .collect();
        out.write(encode_ids(&*tokenizer, texts?, add_special)?);
        Ok(())
    })
}

/// # Safety
/// As `weir_hf_encode`; `ids` points to `n_ids` ids.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_decode(
    tokenizer: *const Tokenizer,
    ids: *const u32,
    n_ids: usize,
    skip_special: bool,
    out: *mut Bytes,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        let text = (*tokenizer).decode(list(ids, n_ids), skip_special)?;
        out.write(Bytes::from_vec(text.into_bytes()));
        Ok(())
    })
}
