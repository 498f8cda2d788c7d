#ifndef WEIR_TEXT_HF_WEIR_HF_H_
#define WEIR_TEXT_HF_WEIR_HF_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The C interface of the Rust crate in this folder. Private to weir/text.
 *
 * Every function that can fail returns a status and, unless it is kWeirHfOk, sets `error` to a
 * message that the caller frees; `out` is then untouched. Const functions may run in several
 * threads on one tokenizer. */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  kWeirHfOk = 0,
  kWeirHfFailed = 1,   /* The data does not make sense. */
  kWeirHfNotUtf8 = 2,  /* A text argument is not UTF-8. */
  kWeirHfRefused = 3,  /* A chat template called raise_exception; the message is its own. */
  kWeirHfPanicked = 4, /* A bug or hostile data, caught. */
} WeirHfStatus;

typedef struct WeirHfTokenizer WeirHfTokenizer;
typedef struct WeirHfWords WeirHfWords;

/* Borrowed for the duration of a call. */
typedef struct {
  const char* data;
  size_t size;
} WeirHfSlice;

/* Owned by the crate: to be given back to weir_hf_bytes_free. */
typedef struct {
  char* data;
  size_t size;
} WeirHfBytes;

/* Bytes [spans[2i], spans[2i + 1]) of the text belong to ids[i]. */
typedef struct {
  uint32_t* ids;
  size_t n_ids;
  uint64_t* spans;
  size_t n_spans;
} WeirHfEncoding;

/* The ids of several texts end to end: those of text i end at ends[i]. */
typedef struct {
  uint32_t* ids;
  size_t n_ids;
  uint64_t* ends;
  size_t n_ends;
} WeirHfIdLists;

/* Points `text` at the next text, readable until the next call; false when there is none left. Any
 * thread may call it, one at a time. */
typedef bool (*WeirHfNextText)(void* context, WeirHfSlice* text);

enum { kWeirHfIsToken = 1, kWeirHfIsAdded = 2, kWeirHfIsSpecial = 4 };
enum { kWeirHfByteLevel = 1, kWeirHfMetaSpace = 2, kWeirHfByteFallback = 4 };

/* Token `id` is text[ends[id - 1], ends[id]) when flags[id] has kWeirHfIsToken. `unk` is -1 when
 * there is none. `spelling` says what the decoder undoes. */
typedef struct {
  WeirHfBytes text;
  uint64_t* ends;
  uint8_t* flags;
  size_t n_ids;
  int64_t unk;
  uint32_t spelling;
} WeirHfVocabulary;

void weir_hf_bytes_free(WeirHfBytes bytes);
void weir_hf_encoding_free(WeirHfEncoding encoding);
WeirHfWords* weir_hf_words_create(void);
void weir_hf_words_free(WeirHfWords* words);
void weir_hf_id_lists_free(WeirHfIdLists lists);
void weir_hf_vocabulary_free(WeirHfVocabulary vocabulary);
void weir_hf_free(WeirHfTokenizer* tokenizer);

/* From the text of a tokenizer.json. */
WeirHfStatus weir_hf_create(WeirHfSlice json, WeirHfTokenizer** out, WeirHfBytes* error);
/* A byte-level BPE with GPT-2's pre-tokenizer. Of the texts only their words and counts are kept.
 */
WeirHfStatus weir_hf_train_bpe(WeirHfNextText next, void* context, const WeirHfSlice* special,
                               size_t n_special, size_t vocab_size, uint64_t min_frequency,
                               WeirHfTokenizer** out, WeirHfBytes* error);
/* `json`: a list of added tokens with ids, spelled as in a tokenizer.json. */
WeirHfStatus weir_hf_add_tokens(WeirHfTokenizer* tokenizer, WeirHfSlice json, WeirHfBytes* error);
/* Makes encoding with special tokens put these ids (none when negative) around every text. */
WeirHfStatus weir_hf_frame(WeirHfTokenizer* tokenizer, int64_t before, int64_t after,
                           WeirHfBytes* error);
WeirHfStatus weir_hf_to_json(const WeirHfTokenizer* tokenizer, WeirHfBytes* out,
                             WeirHfBytes* error);

WeirHfStatus weir_hf_encode(const WeirHfTokenizer* tokenizer, WeirHfSlice text, bool add_special,
                            WeirHfEncoding* out, WeirHfBytes* error);
/* `out` has room for `n_texts` encodings. Uses several threads. */
WeirHfStatus weir_hf_encode_batch(const WeirHfTokenizer* tokenizer, const WeirHfSlice* texts,
                                  size_t n_texts, bool add_special, WeirHfEncoding* out,
                                  WeirHfBytes* error);
/* Ids alone, without special tokens. With `words`, a table of one tokenizer's words that fills as
 * it is used, texts are cut into words at "x| A" and "x\n|A" (x a printable ASCII character, A an
 * ASCII letter): right only where cuts there change no id, and then several times faster. */
WeirHfStatus weir_hf_encode_ids(const WeirHfTokenizer* tokenizer, WeirHfWords* words,
                                const WeirHfSlice* texts, size_t n_texts, WeirHfIdLists* out,
                                WeirHfBytes* error);
WeirHfStatus weir_hf_decode(const WeirHfTokenizer* tokenizer, const uint32_t* ids, size_t n_ids,
                            bool skip_special, WeirHfBytes* out, WeirHfBytes* error);

WeirHfStatus weir_hf_vocabulary(const WeirHfTokenizer* tokenizer, WeirHfVocabulary* out,
                                WeirHfBytes* error);
/* -1 when the vocabulary does not hold the token. */
WeirHfStatus weir_hf_token_to_id(const WeirHfTokenizer* tokenizer, WeirHfSlice token, int64_t* out,
                                 WeirHfBytes* error);

/* Renders a Jinja template with the members of a JSON object as its variables. */
WeirHfStatus weir_hf_render(WeirHfSlice source, WeirHfSlice context, WeirHfBytes* out,
                            WeirHfBytes* error);

#ifdef __cplusplus
}
#endif

#endif
