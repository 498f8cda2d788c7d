#pragma once

#include <cstdint>
#include <string>

namespace weir {

/// Bytes that this process can still get: what the machine has available, or less where its control
/// group or its own limit (ulimit -v) leaves less.
int64_t available_memory();

/// Bytes of this process that are in memory now; 0 where the system does not say.
int64_t resident_memory();

/// Throws kUnavailable when `bytes`, the least that `what` will need, are more than that. A double,
/// because products of sizes asked for may leave the integers.
void require_memory(double bytes, const std::string& what);

/// Lets this process keep what it frees for what it allocates next, as far as that is below 2 GB in
/// one piece and at the end: tensors of a step take the pages of the last one, instead of new ones
/// that the kernel must clear. For programs, once at start; the library never calls it.
void keep_freed_memory();

/// "19.7 GB", "512 MB"
std::string memory_text(double bytes);

}  // namespace weir
