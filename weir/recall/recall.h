#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/base/bootstrap.h"
#include "weir/recall/answer_experiments.h"
#include "weir/recall/last_block.h"
#include "weir/recall/least_squares.h"
#include "weir/recall/mitigation.h"
#include "weir/report/report.h"
#include "weir/tasks/neutral_text.h"
#include "weir/tasks/prompt_set.h"

/// How a model recalls a fact, told in the steps of Lv et al. 2024 (arXiv 2403.19521), with an
/// intervention behind every sentence: which heads carry the subject to the last position, which
/// MLPs turn it into the answer, what the last block does to it. docs/methods/factual-recall.md.
namespace weir {

struct RecallOptions {
  uint64_t seed = 0;        ///< Of the split, the controls and the bootstrap.
  int64_t n_heads = 5;      ///< Mover heads that are named.
  int64_t n_mlps = 4;       ///< MLPs that are decomposed.
  int64_t n_controls = 20;  ///< Random sets of as many components.
  std::vector<double> strengths = {0.25, 0.5, 0.75, 1};  ///< Of mitigations.
  double loss_budget = 0.01;  ///< Relative increase of the neutral loss that may be paid.
  /// Fit a linear relational operator too: minutes where d_model is large.
  bool relation_operator = false;
  int64_t relation_layer = -1;  ///< -1: half of the layers.
  int64_t relation_prompts = 4;
};

/// How well the model knows the relation.
struct Knowledge {
  MeanInterval top1, prob, pi;
  double median_rank = 0;         ///< 0: best
  double most_common_answer = 0;  ///< Share of prompts that guessing it would get right.
  /// top1 at least a quarter and above guessing. If not, what follows explains little.
  bool is_known = false;
};

struct HeadFinding {
  HeadId id;
  double attention = 0;  ///< Mean, from the last position to the subject's tokens.
  double write = 0;      ///< Mean of <output, W_U[:, subject]>
  double pearson = 0;    ///< Of the two over prompts; NaN where one is constant.
  double answer = 0;     ///< Path effect on pi(answer) of replacing it by its mean.
  double subject = 0;    ///< The same on pi(subject).
  double direct = 0;     ///< What it writes itself on pi(answer), scale of the norm frozen.
  double copy = 0,
         anti_copy = 0;  ///< Copy score on the subject's tokens, and with the sign turned.
};

struct MlpFinding {
  int64_t layer = 0;
  double answer = 0, subject = 0;            ///< Path effects as above.
  double direct = 0;                         ///< As above.
  std::vector<std::string> parts;            ///< Names: heads, "rest"
  PartsFit fit;                              ///< M1 on all prompts.
  at::Tensor bootstrap_se;                   ///< [J] of w, over subjects
  HeldOut held_out;                          ///< By subject.
  at::Tensor linear_gain;                    ///< [J] M7, mean over prompts
  at::Tensor subject_before, subject_after;  ///< [J] mean <c_j, W_U[:, subject]>, and times g_j
  /// Of the intercept b: pi of the lens for answers, subjects and other tokens; cosines.
  double pi_answers = 0, pi_subjects = 0;
  double cos_answers = 0, cos_subjects = 0;
  std::vector<std::string> top_tokens;
};

/// A sentence about the model and the experiment that tests it.
struct Claim {
  std::string step;                          ///< "heads", "mlps", "function", "last block"
  std::string statement;                     ///< Of the paper, filled in for this model.
  std::string check;                         ///< What was changed.
  std::string quantity;                      ///< What the numbers are: "change of pi(answer)"
  MeanInterval effect, control, difference;  ///< On the test subjects; difference: effect - control
  double prob_before = 0, prob_after = 0;
  bool is_supported = false;
  std::string verdict() const { return is_supported ? "supported" : "not supported on this model"; }
};

struct RelationOperatorFinding {
  int64_t layer = 0, n_train = 0;
  double beta = 0;          ///< Chosen on the other dev subjects.
  double faithfulness = 0;  ///< Test prompts where it gives the model's own top token.
  double accuracy = 0;      ///< ... the right one.
};

struct RecallResult {
  std::string task;
  int64_t shots = 0;
  int64_t n_prompts = 0, n_subjects = 0, n_dev = 0, n_test = 0;
  std::vector<std::string> notes;  ///< Of the prompt set.
  Knowledge knowledge;
  std::vector<HeadFinding> movers, against;  ///< Chosen on dev; numbers of the test subjects.
  std::vector<MlpFinding> mlps;
  at::Tensor head_effects, head_attention;  ///< [L, H] test means
  at::Tensor mlp_effects;                   ///< [L]
  at::Tensor curve_answer, curve_subject;  ///< [2 L] pi at mid and post of every layer, all prompts
  at::Tensor block_change;                 ///< [L] of pi(answer) by each block, own statistics
  int64_t switch_layer = -1;  ///< From its post on the answer stays above the subject; -1: never.
  /// [L] p(answer) of the test subjects when no head of the five layers around each may attend from
  /// the last position to the subject (attention knockout, Geva et al. 2023).
  at::Tensor blocked_prob;
  LastBlock last;
  std::vector<MitigationEffect> mitigations;  ///< On dev.
  int64_t recommended = -1;                   ///< Index of mitigations; -1: none helps in budget.
  MeanInterval recommended_prob, recommended_pi;  ///< Its change on test.
  double recommended_loss = 0;
  std::vector<RelationOperatorFinding> operators;
  std::vector<Claim> claims;
};

/// The whole analysis of one prompt set, with group "subject", roles "subject_first" and
/// "subject_last", and at least four subjects (kInvalidArgument). What is chosen (heads, MLPs,
/// strengths) is chosen on one half of the subjects, what is claimed is measured on the other.
RecallResult recall(const LanguageModel& lm, const PromptSet& set, const NeutralText& neutral,
                    const RecallOptions& options = {});

/// Entropy and token-frequency neurons of the last MLP, which no relation changes.
struct NeuronReadings {
  LastNeurons neurons;   ///< W_U folded; null directions: a twentieth of d_model.
  at::Tensor frequency;  ///< [M] correlation with log frequency
};
NeuronReadings read_neurons(const LanguageModel& lm, const NeutralText& neutral);

/// One page of any number of results: a comparison first, then each in a tab, then the neurons.
Report recall_report(const LanguageModel& lm, const std::vector<RecallResult>& results,
                     const NeuronReadings& neurons);

}  // namespace weir
