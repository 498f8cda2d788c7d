#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace weir::io {

/// Elements that lie apart, gathered into C order (the last index runs fastest).
///
/// `strides[d]` is the distance in elements between neighbours along dimension `d`; one stride per
/// entry of `shape`. `element_bytes` is 1, 2, 4 or 8 and `source` is aligned to it. The caller has
/// checked that every element lies in the memory behind `source` and that the size of the result
/// does not overflow.
std::shared_ptr<std::byte[]> gather_strided(const std::byte* source, size_t element_bytes,
                                            const std::vector<int64_t>& shape,
                                            const std::vector<int64_t>& strides);

/// Whether elements so strided already lie in C order, without gaps.
bool is_c_order(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);

/// The strides, in elements, of a tensor whose first index runs fastest.
std::vector<int64_t> fortran_order_strides(const std::vector<int64_t>& shape);

}  // namespace weir::io
