// What an architecture reads: options and tensors, each asked for by name and noted, so that in the end what nobody
// asked for is reported; and the program that it writes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "krohn/model/program_builder.hpp"
#include "krohn/text/json_document.hpp"

namespace krohn {

/// Named tensors, from files or from anywhere.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  /// For messages.
  virtual std::string name() const = 0;
  virtual std::vector<std::string> tensor_names() const = 0;
  /// Null where there is no such tensor.
  virtual const std::vector<std::uint64_t>* shape(const std::string& tensor) const = 0;
  /// Element type and shape, for messages.
  virtual std::string type(const std::string& tensor) const = 0;
  /// Row-major; nothing where the elements are not numbers that a model may have (F32, F16 or BF16).
  virtual std::optional<std::vector<float>> values(const std::string& tensor) const = 0;
  /// A matrix of a product or an embedding as values to be read later; null where `values` is to be asked.
  virtual std::shared_ptr<const DeferredValues> deferred(const std::string& /*tensor*/) const { return nullptr; }
};

/// The options of one configuration, with defaults; a wrong one is reported in the document's problems.
class Options {
 public:
  explicit Options(JsonField root) : root_(root) {}

  bool has(const std::string& key);
  std::size_t size(const std::string& key, std::size_t otherwise, std::size_t most = std::size_t{1} << 24U);
  bool flag(const std::string& key, bool otherwise);
  /// A finite number.
  double number(const std::string& key, double otherwise);
  /// A number of at least 0.
  double epsilon(const std::string& key, double otherwise);
  /// int(size * factor), as Python computes it.
  std::size_t product(std::size_t size, const std::string& key, double otherwise);
  std::string text(const std::string& key, const std::string& otherwise);
  JsonField ask(const std::string& key);
  /// total / parts; reported where that leaves a rest.
  std::size_t split(std::size_t total, std::size_t parts, const std::string& key);
  void report(const std::string& key, const std::string& expected);
  /// Refuse an option that is supported in one setting, or some, only.
  void require_null(const std::string& key);
  void require_flag(const std::string& key, bool value);
  /// An array or object that must be empty, if it is there.
  void require_empty(const std::string& key);
  /// A size that another option says already; `name` for messages.
  void require_equal(const std::string& key, std::size_t value, const std::string& name);
  /// The text, one of `values`, the first by default.
  std::string require_text(const std::string& key, std::initializer_list<const char*> values);
  /// Reports every option that nobody asked for and that is not in the list of those without effect (draft.cpp).
  void finish();
  /// Whether that list has the option.
  static bool without_effect(std::string_view key);

 private:
  JsonField root_;
  std::set<std::string, std::less<>> asked_;
};

/// Takes tensors out of a source into a program, collecting every problem: a tensor that is missing, has another shape
/// or type, or holds NaN or infinity; in the end, one that nobody took. A tensor with a problem is added without
/// values.
class Tensors {
 public:
  Tensors(const TensorSource& source, ProgramBuilder& net) : source_(source), net_(net) {}

  bool has(const std::string& name) const { return source_.shape(name) != nullptr; }
  /// 0 where there is no such tensor or axis.
  std::size_t extent(const std::string& name, std::size_t axis) const;

  /// In the file's order.
  std::uint32_t vector(const std::string& name, const std::vector<std::size_t>& shape);
  /// no_index where it is absent.
  std::uint32_t optional(const std::string& name, const std::vector<std::size_t>& shape);
  /// The last two axes [out, in] of the weights of products, stored input_major.
  std::uint32_t matrix(const std::string& name, const std::vector<std::size_t>& shape);
  std::uint32_t matrix(const std::string& name, std::size_t out, std::size_t in) {
    return matrix(name, std::vector<std::size_t>{out, in});
  }
  /// The rows of a matrix [groups * rows, in], of which each group has those of every part one after the other: each
  /// part (a name, and its rows in a group) of all groups as a matrix [groups * its rows, in] of that name.
  std::vector<std::uint32_t> ungrouped(const std::string& name, std::size_t groups,
                                       const std::vector<std::pair<std::string, std::size_t>>& parts, std::size_t in);
  /// Several tensors of one shape, one after the other along the first axis, as one called `name`.
  std::uint32_t stacked(const std::string& name, const std::vector<std::string>& names,
                        const std::vector<std::size_t>& shape, bool matrix);
  /// Notes that the tensor is taken, and reports one that is missing or of another shape.
  bool take_name(const std::string& name, const std::vector<std::size_t>& shape);
  /// The values alone; empty after a report.
  std::vector<float> take(const std::string& name, const std::vector<std::size_t>& shape);
  /// A tensor made from taken values; without values where those are empty.
  std::uint32_t add(const std::string& name, const std::vector<std::size_t>& shape, std::vector<float> values,
                    bool matrix = false);
  /// A tensor of the format that takes no part in inference.
  void leave_out(const std::string& name) { taken_.insert(name); }
  /// Of a file from which parts are read: every tensor whose name begins with none of these.
  void leave_out_outside(const std::vector<std::string>& prefixes);

  /// Reports a tensor that must be there, and why.
  void report_missing(const std::string& name, const std::vector<std::size_t>& shape, const std::string& why = "");
  /// Adds a problem; beyond 50 only their number is kept.
  void report(const std::string& problem);
  /// True once so many problems are known that looking for more tells nothing.
  bool hopeless() const noexcept { return count_ > 200; }
  /// Reports every tensor that nobody took; throws InputError with all problems, if there are any.
  void finish();
  /// What was asked for and not there.
  struct Missing {
    std::string name;
    std::vector<std::size_t> shape;
  };
  const std::vector<Missing>& missing() const noexcept { return missing_; }

 private:
  const TensorSource& source_;
  ProgramBuilder& net_;
  std::set<std::string, std::less<>> taken_;
  std::vector<std::string> problems_;
  std::vector<Missing> missing_;
  std::size_t count_ = 0;
};

/// What a reader knows of a checkpoint that its files do not say.
struct ReadingHints {
  /// Major, minor and patch number of the flash-linear-attention that the weights were trained with: some options
  /// changed their meaning. Without one they have the newest, and a note says so.
  std::optional<std::array<std::uint32_t, 3>> fla_version = std::nullopt;
};

struct Draft {
  Draft(std::string_view architecture, JsonField root, const TensorSource& source, const ReadingHints& known = {})
      : options(root), net(std::string(architecture)), tensors(source, net), hints(known) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  Options options;
  ProgramBuilder net;
  Tensors tensors;
  ReadingHints hints;
  /// Whether the weights are of that version of flash-linear-attention or a later one; where nothing says, `otherwise`.
  bool since_fla(std::uint32_t major_number, std::uint32_t minor_number, bool otherwise) const {
    if (!hints.fla_version) return otherwise;
    return *hints.fla_version >= std::array<std::uint32_t, 3>{major_number, minor_number, 0};
  }
  /// What a reader should know although it is no error.
  std::vector<std::string> notes;
  /// The program's layers by their numbers in the model, where it is not the whole of it.
  std::vector<std::size_t> layer_numbers;

  /// The program, once no option and no tensor is left over.
  Program finish() {
    options.finish();
    tensors.finish();
    return net.finish();
  }
};

}  // namespace krohn
