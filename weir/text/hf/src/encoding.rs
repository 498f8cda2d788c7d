//! Text to ids and back.

use std::sync::Mutex;

use ahash::AHashMap;
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
/// `texts` has `n_texts` readable texts, which outlive the result.
unsafe fn text_list<'a>(texts: *const Slice, n_texts: usize) -> Outcome<Vec<&'a str>> {
    list(texts, n_texts).iter().map(|text| text.text()).collect()
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
        let encodings = (*tokenizer).encode_batch(text_list(texts, n_texts)?, add_special)?;
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

type Words = AHashMap<Box<str>, Box<[u32]>>;

/// WeirHfWords of weir_hf.h: the ids of fragments of text that came before, a table for each thread.
#[derive(Default)]
pub struct WordTables {
    free: Mutex<Vec<Words>>,
}

impl WordTables {
    fn take(&self) -> Words {
        let table = self.free.lock().ok().and_then(|mut free| free.pop());
        table.unwrap_or_default()
    }

    fn give_back(&self, words: Words) {
        if let Ok(mut free) = self.free.lock() {
            free.push(words);
        }
    }
}

const MOST_WORDS: usize = 1 << 17;
const MOST_WORD_BYTES: usize = 48;
const PIECE_BYTES: usize = 32 << 10;

/// Whether a cut may lie before byte `i`: "x| A" or "x\n|A", x printable ASCII, A an ASCII letter.
fn is_cut(text: &[u8], i: usize) -> bool {
    let is_letter = |i: usize| text.get(i).is_some_and(u8::is_ascii_alphabetic);
    let is_printable = |i: usize| text[i].is_ascii_graphic();
    match text[i] {
        b' ' => i >= 1 && is_letter(i + 1) && is_printable(i - 1),
        _ => i >= 2 && text[i - 1] == b'\n' && is_letter(i) && is_printable(i - 2),
    }
}

/// `text` in pieces of at least `least` bytes, but for the last; cuts lie beside ASCII bytes.
fn pieces(text: &str, least: usize) -> impl Iterator<Item = &str> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        if begin == text.len() {
            return None;
        }
        let bytes = text.as_bytes();
        let end = (begin + least..text.len())
            .find(|&i| is_cut(bytes, i))
            .unwrap_or(text.len());
        let piece = &text[begin..end];
        begin = end;
        Some(piece)
    })
}

fn plain_ids(tokenizer: &Tokenizer, text: &str) -> tokenizers::Result<Vec<u32>> {
    Ok(tokenizer.encode_fast(text, false)?.get_ids().to_vec())
}

/// Word by word, from the table where it has them: few words make up most of a text.
fn ids_by_words(
    tokenizer: &Tokenizer,
    text: &str,
    words: &mut Words,
) -> tokenizers::Result<Vec<u32>> {
    let mut ids = Vec::with_capacity(text.len() / 3);
    for word in pieces(text, 1) {
        if let Some(known) = words.get(word) {
            ids.extend_from_slice(known);
            continue;
        }
        let found = plain_ids(tokenizer, word)?;
        ids.extend_from_slice(&found);
        if words.len() < MOST_WORDS && word.len() <= MOST_WORD_BYTES {
            words.insert(word.into(), found.into());
        }
    }
    Ok(ids)
}

/// The ids of each text in order; with `tables`, cut into pieces so that all threads have work.
fn lists_of_ids(
    tokenizer: &Tokenizer,
    tables: Option<&WordTables>,
    texts: &[&str],
) -> tokenizers::Result<(Vec<u32>, Vec<u64>)> {
    let mut parts = Vec::<(usize, &str)>::new();
    for (index, text) in texts.iter().enumerate() {
        let least = tables.map_or(text.len(), |_| PIECE_BYTES);
        parts.extend(pieces(text, least.max(1)).map(|piece| (index, piece)));
    }
    let lists = parts
        .clone()
        .into_maybe_par_iter()
        .map(|(_, piece)| {
            let Some(tables) = tables else {
                return plain_ids(tokenizer, piece);
            };
            let mut words = tables.take();
            let ids = ids_by_words(tokenizer, piece, &mut words);
            tables.give_back(words);
            ids
        })
        .collect::<tokenizers::Result<Vec<Vec<u32>>>>()?;
    let mut sizes = vec![0u64; texts.len()];
    for ((index, _), list) in parts.iter().zip(&lists) {
        sizes[*index] += list.len() as u64;
    }
    let mut end = 0;
    let ends = sizes.iter().map(|size| {
        end += size;
        end
    });
    Ok((lists.concat(), ends.collect()))
}

#[no_mangle]
pub extern "C" fn weir_hf_words_create() -> *mut WordTables {
    Box::into_raw(Box::default())
}

/// # Safety
/// `words` came from this library and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_words_free(words: *mut WordTables) {
    if !words.is_null() {
        drop(Box::from_raw(words));
    }
}

/// # Safety
/// As `weir_hf_encode`; `texts` has `n_texts` readable texts, `words` is null or from this library.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_encode_ids(
    tokenizer: *const Tokenizer,
    words: *const WordTables,
    texts: *const Slice,
    n_texts: usize,
    out: *mut IdLists,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        let (ids, ends) = lists_of_ids(&*tokenizer, words.as_ref(), &text_list(texts, n_texts)?)?;
        let (ids, n_ids) = leak(ids);
        let (ends, n_ends) = leak(ends);
        out.write(IdLists {
            ids,
            n_ids,
            ends,
            n_ends,
        });
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
