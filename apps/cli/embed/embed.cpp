#include "apps/cli/embed/points.h"
#include "apps/cli/verbs.h"

namespace weir::cli {

void add_embed(Verb& weir) {
  Verb& embed = weir.verb(Heading::kLook,
                          {"embed", "draws rows of any matrix as a map",
                           "t-SNE, principal components and nearest neighbours of the decoder "
                           "rows of a dictionary, of activations, of anything stored."});
  add_embed_tsne(embed);
  add_embed_pca(embed);
  add_embed_knn(embed);
}

}  // namespace weir::cli
