// The translation unit that owns the shared precompiled ATen header (see weir_use_torch).
