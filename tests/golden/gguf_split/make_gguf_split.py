#!/usr/bin/env python3
"""Writes ../gguf_models/llama_gqa_tied.gguf again in parts, with the Python package gguf's own splitting.

    pip install gguf numpy        (gguf 0.19.0 made the files that are kept here)
    make_gguf_split.py [OUT_DIR]
"""
import pathlib
import sys

import gguf

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent / "gguf_models/llama_gqa_tied.gguf"


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    reader = gguf.GGUFReader(SOURCE)
    arch = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(out / "tiny.gguf", arch, split_max_tensors=8)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind = field.types[0]
        sub_type = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=sub_type)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
