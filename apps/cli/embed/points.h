#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "apps/cli/command.h"
#include "weir/embed/neighbours.h"

/// What the verbs of `weir embed` share: points as rows of a stored matrix, and what a point is
/// called and coloured by.
namespace weir::cli {

struct PointSource {
  std::string data;  ///< F[:KEY]
  std::string metric = "euclidean";
  int64_t sample = 0;  ///< So many rows, drawn; 0: all.
  double active = 0;   ///< Columns above 0 in more than this share of the rows.
  int64_t pca = 0;     ///< Reduced to so many components first; 0: not.
  uint64_t seed = 0;
  int threads = 0;
};
void add_point_source(Verb& verb, PointSource& source);

struct Points {
  at::Tensor x;     ///< float64 [n, d]: what is embedded
  at::Tensor rows;  ///< int64 [n]: which rows of the file
  int64_t n_columns = 0;
};
/// Leading dimensions are made rows. Sets the threads.
Points read_points(const PointSource& source);
Metric metric_of(const std::string& name);

/// --color, --names.
struct PointLooks {
  std::string color, names;
};
void add_point_looks(Verb& verb, PointLooks& looks);
struct PointColors {
  at::Tensor values;                ///< [n, c], or undefined
  std::vector<std::string> labels;  ///< One a point
};
PointColors read_looks(const PointLooks& looks, const Points& points);
/// One scatter, or a tab for each column of colours.
Block scatter_of(const std::string& title, const at::Tensor& y, const PointColors& colors,
                 const std::string& x_label, const std::string& y_label);
/// int64 [n] if the first column of colours names 2 to 64 clusters; else undefined.
at::Tensor clusters_of(const PointColors& colors);

void add_embed_tsne(Verb& embed);
void add_embed_pca(Verb& embed);
void add_embed_knn(Verb& embed);

}  // namespace weir::cli
