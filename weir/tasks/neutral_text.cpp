#include "weir/tasks/neutral_text.h"

namespace weir {

// Plain prose of several kinds (a scene, an instruction, a notice, a conversation, numbers): what
// may not become worse when the last block is held back.
const std::string& default_neutral_text() {
  static const std::string kText =
      "The bakery opened before sunrise, as it had every morning since the old owner died. Two "
      "people stood "
      "at the counter and argued about the weather, while a third one counted coins into her palm. "
      "When the "
      "bread was ready, the whole street knew it. Nobody spoke for a moment; then somebody "
      "laughed, and the day "
      "began.\n\n"
      "To change the filter, first switch off the pump and wait until the pressure has fallen. "
      "Turn the lid to "
      "the left, lift it out and rinse the sieve under running water. If the seal is worn, replace "
      "it with a "
      "new one of the same size. Close the lid again by hand; a tool is not needed and may damage "
      "the thread.\n\n"
      "The meeting of the committee has been moved from Tuesday to Thursday at half past six. "
      "Members who "
      "cannot attend are asked to send their comments in writing by the end of the week. The "
      "report on last "
      "year's expenses will be available at the office, and a short summary will be read out.\n\n"
      "\"Did you find it?\" she asked. \"Not yet,\" he said, \"but I have looked only in the "
      "kitchen.\" They went "
      "upstairs together. Under the bed were three boxes, a broken lamp and a pair of shoes that "
      "belonged to "
      "neither of them. \"I think,\" she said slowly, \"that we are in the wrong house.\"\n\n"
      "In the first trial, twelve of the forty plants grew more than five centimetres; in the "
      "second, when they "
      "were given twice as much water, the number rose to nineteen. The difference is small, and "
      "it may be due "
      "to chance. A larger study would be needed before anything can be said about other kinds of "
      "soil.\n";
  return kText;
}

}  // namespace weir
