//! A tokenizer's vocabulary as one table.

use tokenizers::{Model, ModelWrapper, Tokenizer};

use crate::boundary::{guard, leak, reclaim, Bytes, Outcome, Slice, Status};

/// Ids beyond this are no vocabulary but damage.
const MAX_ID: u32 = (1 << 24) - 1;

const IS_TOKEN: u8 = 1;
const IS_ADDED: u8 = 2;
const IS_SPECIAL: u8 = 4;

const BYTE_LEVEL: u32 = 1;
const META_SPACE: u32 = 2;
const BYTE_FALLBACK: u32 = 4;

/// WeirHfVocabulary of weir_hf.h.
#[repr(C)]
pub struct Vocabulary {
    text: Bytes,
    ends: *mut u64,
    flags: *mut u8,
    n_ids: usize,
    unk: i64,
    spelling: u32,
}

/// The spellings of the model's ids from 0 on, and whether that is all of them.
fn leading_tokens(model: &ModelWrapper) -> (Vec<String>, bool) {
    let n_tokens = model.get_vocab_size();
    let tokens: Vec<String> = (0..n_tokens as u32)
        .map_while(|id| model.id_to_token(id))
        .collect();
    let is_all = tokens.len() == n_tokens;
    (tokens, is_all)
}

fn highest_id(tokenizer: &Tokenizer, n_leading: usize, is_all: bool) -> Outcome<u32> {
    let of_model = if is_all {
        n_leading.saturating_sub(1) as u32
    } else {
        tokenizer
            .get_model()
            .get_vocab()
            .values()
            .copied()
            .max()
            .unwrap_or(0)
    };
    let of_added = tokenizer
        .get_added_vocabulary()
        .get_added_tokens_decoder()
        .keys()
        .copied()
        .max();
    let highest = of_model.max(of_added.unwrap_or(0));
    if highest > MAX_ID {
        return Err(format!("the id {highest} exceeds the {MAX_ID} that are read").into());
    }
    Ok(highest)
}

/// How the decoder reads the spelling of a token.
fn spelling(tokenizer: &Tokenizer) -> Outcome<u32> {
    let decoder = serde_json::to_string(&tokenizer.get_decoder())?;
    let mut bits = 0;
    if decoder.contains(r#""type":"ByteLevel""#) {
        bits |= BYTE_LEVEL;
    }
    if decoder.contains('▁') {
        bits |= META_SPACE;
    }
    if decoder.contains(r#""type":"ByteFallback""#) {
        bits |= BYTE_FALLBACK;
    }
    Ok(bits)
}

fn unknown_id(model: &ModelWrapper) -> Outcome<i64> {
    let token = match model {
        ModelWrapper::BPE(model) => model.unk_token.clone(),
        ModelWrapper::WordPiece(model) => Some(model.unk_token.clone()),
        ModelWrapper::WordLevel(model) => Some(model.unk_token.clone()),
        ModelWrapper::Unigram(model) => {
            let value = serde_json::to_value(model)?;
            return Ok(value["unk_id"].as_i64().unwrap_or(-1));
        }
    };
    Ok(token
        .and_then(|token| model.token_to_id(&token))
        .map_or(-1, i64::from))
}

fn vocabulary(tokenizer: &Tokenizer) -> Outcome<Vocabulary> {
    let model = tokenizer.get_model();
    let (leading, is_all) = leading_tokens(model);
    let highest = highest_id(tokenizer, leading.len(), is_all)?;
    let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
    let mut text = Vec::new();
    let mut ends = Vec::with_capacity(highest as usize + 1);
    let mut flags = Vec::with_capacity(highest as usize + 1);
    for id in 0..=highest {
        let mut flag = 0;
        if let Some(token) = added.get(&id) {
            flag = IS_TOKEN | IS_ADDED | if token.special { IS_SPECIAL } else { 0 };
            text.extend_from_slice(token.content.as_bytes());
        } else if let Some(token) = leading.get(id as usize) {
            flag = IS_TOKEN;
            text.extend_from_slice(token.as_bytes());
        } else if let Some(token) = model.id_to_token(id) {
            flag = IS_TOKEN;
            text.extend_from_slice(token.as_bytes());
        }
        ends.push(text.len() as u64);
        flags.push(flag);
    }
    let unk = unknown_id(model)?;
    let spelling = spelling(tokenizer)?;
    let (ends, n_ids) = leak(ends);
    let (flags, _) = leak(flags);
    Ok(Vocabulary {
        text: Bytes::from_vec(text),
        ends,
        flags,
        n_ids,
        unk,
        spelling,
    })
}

/// # Safety
/// `tokenizer` came from this library, `out` and `error` are writable.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_vocabulary(
    tokenizer: *const Tokenizer,
    out: *mut Vocabulary,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        out.write(vocabulary(&*tokenizer)?);
        Ok(())
    })
}

/// # Safety
/// `vocabulary` came out of this library and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_vocabulary_free(vocabulary: Vocabulary) {
    reclaim(vocabulary.text.data, vocabulary.text.size);
    reclaim(vocabulary.ends, vocabulary.n_ids);
    reclaim(vocabulary.flags, vocabulary.n_ids);
}

/// The id of a token, or -1.
///
/// # Safety
/// `tokenizer` came from this library, `token` is readable.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_token_to_id(
    tokenizer: *const Tokenizer,
    token: Slice,
    out: *mut i64,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        let id = (*tokenizer).token_to_id(token.text()?);
        out.write(id.map_or(-1, i64::from));
        Ok(())
    })
}
