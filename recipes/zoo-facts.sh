#!/usr/bin/env bash
# The shards of zoo-facts.toml: books, and text in which everything happens that the analysis verbs look for: facts, indirect
# objects, lists, arithmetic, things with colours, repeated random words.
#   recipes/zoo-facts.sh OUT_DIR BOOK...        (.txt, .jsonl, .zst; WEIR names the command, ZOO_SEPARATOR what stands
#                                                between the documents of a text file)
set -euo pipefail
separator=${ZOO_SEPARATOR:-<|endoftext|>}
weir=${WEIR:-weir} size=${ZOO_SIZE:-20000} vocabulary=${ZOO_VOCABULARY:-4096}
out=$1; shift
mkdir -p "$out"
# Its word lists keep to words of one token in this tokenizer; the model gets one of its own below.
words=${ZOO_WORDS:-smollm2-135m}

make_text() {  # NAME TASK [OPTION]...
  local name=$1 task=$2; shift 2
  "$weir" tasks make "$task" "$@" --seed 1 --model "$words" --save "$out/$name.txt" --quiet
}
times=$((size / 40))
make_text capitals country_capital_city --variant all --times "$times"
make_text languages country_language --variant all --times "$times"
make_text cities country_largest_city --variant all --times "$times"
make_text past verb_past_tense --variant all --times $((times / 4 + 1))
make_text ioi ioi -n $((2 * size))
make_text sums arithmetic --variant sum -n "$size"
make_text differences arithmetic --variant difference -n "$size"
make_text colours colored-objects -n "$size"
make_text years greater-than -n $((size / 2))
for n in 2 3 4 5 6; do make_text "list$n" laundry-list --variant "odd-$n" -n $((size / 2)); done
for n in 2 3 4 5 6; do make_text "place$n" laundry-list --variant "position-$n" -n $((size / 4)); done
cat "$out"/{capitals,languages,cities,past}.txt > "$out/facts.text"
cat "$out"/{sums,differences,years}.txt > "$out/numbers.text"
cat "$out"/{list,place}?.txt "$out/colours.txt" > "$out/lists.text"
mv "$out/ioi.txt" "$out/ioi.text"
rm "$out"/*.txt
for part in facts numbers lists ioi; do mv "$out/$part.text" "$out/$part.txt"; done

"$weir" data train-tokenizer "$@" "$out"/{facts,numbers,lists,ioi}.txt --vocab-size "$vocabulary" --out "$out/tokenizer"
"$weir" data tokenize "$@" --separator "$separator" --tokenizer "$out/tokenizer" --out "$out/books.shard"
for part in facts numbers lists ioi; do
  "$weir" data tokenize "$out/$part.txt" --separator $'\n' --tokenizer "$out/tokenizer" --out "$out/$part.shard"
done
shards=""
for part in books facts ioi lists numbers; do shards+="${shards:+, }\"$out/$part.shard\""; done
echo "Train it: $weir train recipes/zoo-facts.toml --out zoo --set 'data.shards=[$shards]' --set 'tokenizer.path=\"$out/tokenizer\"'"
