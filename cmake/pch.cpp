// The translation unit that owns a shared precompiled header (see weir_pch).
