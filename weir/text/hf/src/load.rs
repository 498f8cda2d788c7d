//! Reads a tokenizer.json. The crate's own reader turns the model into a tree of JSON values
//! twice before it builds it, which is most of a program's start-up time; here a BPE model is read
//! straight into its tables. Other models, small as they are, take the crate's way.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokenizers::models::bpe::{BpeBuilder, Vocab};
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper, Tokenizer,
};

use crate::boundary::Outcome;

#[derive(Deserialize)]
struct TokenizerFile<'a> {
    version: Option<Cow<'a, str>>,
    #[serde(default)]
    added_tokens: Vec<AddedTokenWithId>,
    #[serde(default)]
    normalizer: Option<NormalizerWrapper>,
    #[serde(default)]
    pre_tokenizer: Option<PreTokenizerWrapper>,
    #[serde(default)]
    post_processor: Option<PostProcessorWrapper>,
    #[serde(default)]
    decoder: Option<DecoderWrapper>,
    #[serde(borrow)]
    model: &'a RawValue,
}

#[derive(Deserialize)]
struct AddedTokenWithId {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

#[derive(Deserialize)]
struct ModelKind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct BpeModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    dropout: Option<f32>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: Option<bool>,
    #[serde(default)]
    byte_fallback: Option<bool>,
    #[serde(default)]
    ignore_merges: Option<bool>,
    vocab: Vocab,
    merges: Vec<Merge>,
}

/// `["a", "b"]`, or "a b" as files were written until 2024.
struct Merge(String, String);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergeVisitor)
    }
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a merge: a pair of tokens, or both in one string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Merge, E> {
        match text.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => Ok(Merge(left.into(), right.into())),
            _ => Err(E::custom(format!(
                "the merge '{text}' is not two tokens with a space between"
            ))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Merge, A::Error> {
        let left = items.next_element()?;
        let right = items.next_element()?;
        match (left, right, items.next_element::<String>()?) {
            (Some(left), Some(right), None) => Ok(Merge(left, right)),
            _ => Err(A::Error::custom("a merge is not a pair")),
        }
    }
}

fn bpe(model: BpeModel) -> Outcome<ModelWrapper> {
    let merges = model
        .merges
        .into_iter()
        .map(|Merge(left, right)| (left, right))
        .collect();
    let mut builder = BpeBuilder::new()
        .fuse_unk(model.fuse_unk.unwrap_or(false))
        .byte_fallback(model.byte_fallback.unwrap_or(false))
        .ignore_merges(model.ignore_merges.unwrap_or(false))
        .vocab_and_merges(model.vocab, merges);
    if let Some(dropout) = model.dropout {
        builder = builder.dropout(dropout);
    }
    if let Some(token) = model.unk_token {
        builder = builder.unk_token(token);
    }
    if let Some(prefix) = model.continuing_subword_prefix {
        builder = builder.continuing_subword_prefix(prefix);
    }
    if let Some(suffix) = model.end_of_word_suffix {
        builder = builder.end_of_word_suffix(suffix);
    }
    Ok(builder.build()?.into())
}

/// BPE is tried at once, because looking for the "type" alone means one more pass over the text.
fn model(text: &str) -> Outcome<ModelWrapper> {
    let as_bpe = serde_json::from_str::<BpeModel>(text);
    let is_bpe = match &as_bpe {
        Ok(model) => model.kind.as_deref() == Some("BPE"),
        Err(_) => serde_json::from_str::<ModelKind>(text)?.kind.as_deref() == Some("BPE"),
    };
    if is_bpe {
        return bpe(as_bpe?);
    }
    Ok(serde_json::from_str(text)?)
}

/// Adds the tokens in the order of their ids; an id that cannot be had is an error, because every
/// text that holds the token would be encoded to something the model was not trained on.
fn add_tokens(tokenizer: &mut Tokenizer, mut tokens: Vec<AddedTokenWithId>) -> Outcome<()> {
    tokens.sort_by_key(|entry| entry.id);
    let mut seen = HashSet::new();
    for entry in &tokens {
        if !seen.insert(entry.token.content.clone()) {
            return Err(format!("the added token '{}' is given twice", entry.token.content).into());
        }
    }
    let expected: Vec<(String, u32)> = tokens
        .iter()
        .map(|entry| (entry.token.content.clone(), entry.id))
        .collect();
    tokenizer.add_tokens(tokens.into_iter().map(|entry| entry.token))?;
    for (content, id) in expected {
        let found = tokenizer.token_to_id(&content);
        if found != Some(id) && !content.is_empty() {
            let found = found.map_or("none".to_string(), |id| id.to_string());
            return Err(format!(
                "the added token '{content}' is given the id {id}, the vocabulary leaves it {found}"
            )
            .into());
        }
    }
    Ok(())
}

/// Truncation and padding are left out: they are a caller's choice, not the tokenizer's.
pub fn tokenizer_from_json(text: &str) -> Outcome<Tokenizer> {
    let file: TokenizerFile = serde_json::from_str(text)?;
    if let Some(version) = file.version.filter(|version| version != "1.0") {
        return Err(format!("version 1.0 is read, found '{version}'").into());
    }
    let mut tokenizer = Tokenizer::new(model(file.model.get())?);
    tokenizer.with_normalizer(file.normalizer)?;
    tokenizer.with_pre_tokenizer(file.pre_tokenizer);
    tokenizer.with_post_processor(file.post_processor);
    tokenizer.with_decoder(file.decoder);
    add_tokens(&mut tokenizer, file.added_tokens)?;
    Ok(tokenizer)
}

/// `json`: a list of added tokens with ids, as in a tokenizer.json. Those that the tokenizer
/// already treats as added tokens are left as they are.
pub fn add_tokens_from_json(tokenizer: &mut Tokenizer, json: &str) -> Outcome<()> {
    let mut tokens: Vec<AddedTokenWithId> = serde_json::from_str(json)?;
    let known = tokenizer.get_added_vocabulary().get_vocab();
    tokens.retain(|entry| !known.contains_key(&entry.token.content));
    add_tokens(tokenizer, tokens)
}
