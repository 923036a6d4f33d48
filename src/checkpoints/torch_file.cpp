// A pickle machine that can only build plain values, and the layout of torch's storages. Every length is checked
// against the bytes that are there before it is used; nesting costs no recursion, since the machine works on a stack.
// Cost: one pass.
#include "krohn/checkpoints/torch_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"
#include "zip_archive.hpp"

namespace krohn {
namespace {

// 0x1950A86A20F9469CFC6C, little-endian.
constexpr std::string_view legacy_magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

// A value takes a few hundred bytes, and a byte of a pickle can make one; a state dict has about 25 a tensor.
constexpr std::size_t most_values = 4'000'000;
// A pickle can also name one object many times, at two bytes each. What a name makes krohn copy is bounded.
constexpr std::size_t most_dimensions = 8;
constexpr std::size_t longest_key = 255;
/// All tensors together may have this many times the bytes of all storages: layers may share their weights.
constexpr std::uint64_t most_sharing = 64;

[[noreturn]] void fail(const std::string& source, const std::string& problem) {
  throw InputError(source + ": " + problem);
}

std::uint64_t little(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return value;
}

// ---- the pickle machine -------------------------------------------------------------------------------------------

struct Value;
using ValuePtr = std::shared_ptr<Value>;

struct StorageRef {
  std::string key;
  DType dtype = DType::f32;
  std::uint64_t elements = 0;
};

struct TensorRef {
  StorageRef storage;
  std::uint64_t offset = 0;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> strides;
};

struct Value {
  enum class Kind { none, boolean, integer, real, string, bytes, tuple, list, dict, global, storage, tensor, mark };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;  // a string's bytes; a global's "module.name"
  std::vector<ValuePtr> items;
  std::vector<std::pair<ValuePtr, ValuePtr>> members;
  StorageRef storage;
  TensorRef tensor;
};

ValuePtr make(Value::Kind kind) {
  auto value = std::make_shared<Value>();
  value->kind = kind;
  return value;
}

/// Containers of a pickle may hold themselves; shared pointers would then never be freed. Every value made is listed,
/// and emptied at the end.
class Machine {
 public:
  Machine(std::string_view bytes, std::string source) : bytes_(bytes), source_(std::move(source)) {}
  ~Machine() {
    for (const ValuePtr& value : all_) {
      value->items.clear();
      value->members.clear();
    }
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  std::size_t position() const { return at_; }
  std::string_view rest() const { return bytes_.substr(at_); }

  /// Runs one pickle to its STOP.
  ValuePtr run() {
    stack_.clear();
    memo_.clear();
    for (;;) {
      const char opcode = take(1)[0];
      if (opcode == '.') {
        if (stack_.size() != 1) broken("one value at STOP");
        return pop();
      }
      execute(opcode);
    }
  }

 private:
  [[noreturn]] void broken(const std::string& expected) const {
    fail(source_, "pickle, byte " + std::to_string(at_) + ": expected " + expected);
  }
  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) broken(std::to_string(count) + " more bytes, got the end (truncated?)");
    const std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  std::uint64_t number(std::size_t size) { return little(take(size), 0, size); }
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) broken("a line, got the end");
    const std::string_view text = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }

  ValuePtr fresh(Value::Kind kind) {
    if (all_.size() >= most_values) broken("at most " + std::to_string(most_values) + " values");
    all_.push_back(make(kind));
    return all_.back();
  }
  void push(ValuePtr value) { stack_.push_back(std::move(value)); }
  ValuePtr pop() {
    if (stack_.empty() || stack_.back()->kind == Value::Kind::mark) broken("a value on the stack");
    ValuePtr value = std::move(stack_.back());
    stack_.pop_back();
    return value;
  }
  const ValuePtr& top(Value::Kind kind, const char* name) {
    if (stack_.empty() || stack_.back()->kind != kind) broken(name);
    return stack_.back();
  }
  std::vector<ValuePtr> pop_mark() {
    std::size_t i = stack_.size();
    while (i > 0 && stack_[i - 1]->kind != Value::Kind::mark) --i;
    if (i == 0) broken("a mark on the stack");
    std::vector<ValuePtr> items(stack_.begin() + static_cast<std::ptrdiff_t>(i), stack_.end());
    stack_.resize(i - 1);
    return items;
  }

  void push_integer(std::int64_t x) {
    push(fresh(Value::Kind::integer));
    stack_.back()->integer = x;
  }
  void push_text(Value::Kind kind, std::string_view text) {
    push(fresh(kind));
    stack_.back()->text = text;
  }
  void push_long(std::uint64_t count) {
    const std::string_view bytes = take(count);
    // The older form's magic number has 10 bytes; everything else that torch writes has at most 8.
    if (count > 8) {
      push_text(Value::Kind::bytes, bytes);
      return;
    }
    std::uint64_t value = count == 0 ? 0 : little(bytes, 0, count);
    if (count > 0 && count < 8 && (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0)
      value |= ~0ULL << (8 * count);
    push_integer(static_cast<std::int64_t>(value));
  }
  void push_tuple(std::vector<ValuePtr> items) {
    push(fresh(Value::Kind::tuple));
    stack_.back()->items = std::move(items);
  }
  void push_tuple_of(std::size_t count) {
    std::vector<ValuePtr> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push_tuple(std::move(items));
  }
  void push_global(const std::string& module, const std::string& name) {
    const std::string full = module + "." + name;
    const bool storage = module == "torch" && name.size() > 7 && name.ends_with("Storage");
    static const std::set<std::string, std::less<>> known = {
        "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"};
    if (!storage && !known.contains(full)) {
      fail(source_, "pickle: expected tensors and plain containers only, got the global " + shown(full) +
                        ", which is refused and was not executed");
    }
    push_text(Value::Kind::global, full);
  }
  ValuePtr recall(std::uint64_t key) {
    const auto at = memo_.find(key);
    if (at == memo_.end()) broken("a memo that was set");
    return at->second;
  }
  void remember(std::uint64_t key) {
    if (stack_.empty() || stack_.back()->kind == Value::Kind::mark) broken("a value to remember");
    memo_[key] = stack_.back();
  }
  void set_members(const std::vector<ValuePtr>& items) {
    if (items.size() % 2 != 0) broken("keys and values in pairs");
    const ValuePtr& dict = top(Value::Kind::dict, "a dict");
    for (std::size_t i = 0; i < items.size(); i += 2) dict->members.emplace_back(items[i], items[i + 1]);
  }

  static std::optional<DType> storage_dtype(std::string_view name) {
    static const std::map<std::string, DType, std::less<>> dtypes = {
        {"torch.FloatStorage", DType::f32},     {"torch.DoubleStorage", DType::f64}, {"torch.HalfStorage", DType::f16},
        {"torch.BFloat16Storage", DType::bf16}, {"torch.LongStorage", DType::i64},   {"torch.IntStorage", DType::i32},
        {"torch.ShortStorage", DType::i16},     {"torch.CharStorage", DType::i8},    {"torch.ByteStorage", DType::u8},
        {"torch.BoolStorage", DType::boolean}};
    const auto at = dtypes.find(name);
    return at == dtypes.end() ? std::nullopt : std::optional(at->second);
  }

  std::vector<std::uint64_t> naturals(const ValuePtr& value) {
    if (value->kind != Value::Kind::tuple && value->kind != Value::Kind::list) broken("a tuple of sizes");
    if (value->items.size() > most_dimensions) {
      broken("at most " + std::to_string(most_dimensions) + " dimensions, got " + std::to_string(value->items.size()));
    }
    std::vector<std::uint64_t> result;
    for (const ValuePtr& item : value->items) {
      if (item->kind != Value::Kind::integer || item->integer < 0) broken("sizes of at least 0");
      result.push_back(static_cast<std::uint64_t>(item->integer));
    }
    return result;
  }

  void persistent_id() {
    const ValuePtr id = pop();
    // ("storage", torch.FloatStorage, key, location, elements[, view])
    const bool shape = id->kind == Value::Kind::tuple && id->items.size() >= 5 &&
                       id->items[0]->kind == Value::Kind::string && id->items[0]->text == "storage" &&
                       id->items[1]->kind == Value::Kind::global && id->items[2]->kind == Value::Kind::string &&
                       id->items[4]->kind == Value::Kind::integer && id->items[4]->integer >= 0;
    if (!shape) broken("a persistent id that names a storage");
    if (id->items.size() > 5 && id->items[5]->kind != Value::Kind::none) broken("a storage that is no view of another");
    if (id->items[2]->text.size() > longest_key) {
      broken("a storage key of at most " + std::to_string(longest_key) + " bytes");
    }
    const std::optional<DType> dtype = storage_dtype(id->items[1]->text);
    if (!dtype) broken("a storage of a known type, got " + shown(id->items[1]->text));
    push(fresh(Value::Kind::storage));
    stack_.back()->storage = {id->items[2]->text, *dtype, static_cast<std::uint64_t>(id->items[4]->integer)};
  }

  void reduce() {
    const ValuePtr arguments = pop();
    const ValuePtr callee = pop();
    if (callee->kind != Value::Kind::global || arguments->kind != Value::Kind::tuple) broken("a known global to call");
    const std::vector<ValuePtr>& items = arguments->items;
    if (callee->text == "collections.OrderedDict") {
      if (!items.empty()) broken("an OrderedDict without arguments");
      push(fresh(Value::Kind::dict));
    } else if (callee->text == "torch._utils._rebuild_tensor_v2") {
      if (items.size() < 4 || items[0]->kind != Value::Kind::storage || items[1]->kind != Value::Kind::integer ||
          items[1]->integer < 0) {
        broken("_rebuild_tensor_v2(storage, offset, size, stride, ..)");
      }
      push(fresh(Value::Kind::tensor));
      stack_.back()->tensor = {items[0]->storage, static_cast<std::uint64_t>(items[1]->integer), naturals(items[2]),
                               naturals(items[3])};
    } else if (callee->text == "torch._utils._rebuild_parameter") {
      if (items.empty() || items[0]->kind != Value::Kind::tensor) broken("_rebuild_parameter(tensor, ..)");
      push(items[0]);
    } else {
      broken("a call of a known function, got " + shown(callee->text));
    }
  }

  void execute(char opcode) {
    switch (opcode) {
      case '\x80':  // PROTO
        if (number(1) > 5) broken("pickle protocol 5 or below");
        return;
      case '\x95':  // FRAME
        take(8);
        return;
      case '(':
        return push(fresh(Value::Kind::mark));
      case 'N':
        return push(fresh(Value::Kind::none));
      case '\x88':
      case '\x89':
        push(fresh(Value::Kind::boolean));
        stack_.back()->integer = opcode == '\x88' ? 1 : 0;
        return;
      case 'J':  // BININT
        return push_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(number(4))));
      case 'K':
        return push_integer(static_cast<std::int64_t>(number(1)));
      case 'M':
        return push_integer(static_cast<std::int64_t>(number(2)));
      case '\x8a':  // LONG1
        return push_long(number(1));
      case '\x8b':  // LONG4
        return push_long(number(4));
      case 'G': {  // BINFLOAT, big-endian
        const std::string_view bytes = take(8);
        std::uint64_t bits = 0;
        for (const char byte : bytes) bits = (bits << 8U) | static_cast<unsigned char>(byte);
        push(fresh(Value::Kind::real));
        stack_.back()->real = std::bit_cast<double>(bits);
        return;
      }
      case 'X':  // BINUNICODE
        return push_text(Value::Kind::string, take(number(4)));
      case '\x8c':
        return push_text(Value::Kind::string, take(number(1)));
      case '\x8d':
        return push_text(Value::Kind::string, take(number(8)));
      case 'U':  // SHORT_BINSTRING
        return push_text(Value::Kind::string, take(number(1)));
      case 'T':
        return push_text(Value::Kind::string, take(number(4)));
      case 'C':  // SHORT_BINBYTES
        return push_text(Value::Kind::bytes, take(number(1)));
      case 'B':
        return push_text(Value::Kind::bytes, take(number(4)));
      case ')':
        return push_tuple({});
      case 't':
        return push_tuple(pop_mark());
      case '\x85':
        return push_tuple_of(1);
      case '\x86':
        return push_tuple_of(2);
      case '\x87':
        return push_tuple_of(3);
      case ']':
        return push(fresh(Value::Kind::list));
      case 'l': {
        std::vector<ValuePtr> items = pop_mark();
        push(fresh(Value::Kind::list));
        stack_.back()->items = std::move(items);
        return;
      }
      case 'a': {
        const ValuePtr item = pop();
        top(Value::Kind::list, "a list")->items.push_back(item);
        return;
      }
      case 'e': {
        const std::vector<ValuePtr> items = pop_mark();
        std::vector<ValuePtr>& list = top(Value::Kind::list, "a list")->items;
        list.insert(list.end(), items.begin(), items.end());
        return;
      }
      case '}':
        return push(fresh(Value::Kind::dict));
      case 'd': {
        const std::vector<ValuePtr> items = pop_mark();
        push(fresh(Value::Kind::dict));
        return set_members(items);
      }
      case 's': {
        const ValuePtr value = pop();
        const ValuePtr key = pop();
        return set_members({key, value});
      }
      case 'u':
        return set_members(pop_mark());
      case '0':
        pop();
        return;
      case '2':
        if (stack_.empty()) broken("a value on the stack");
        return push(stack_.back());
      case 'q':
        return remember(number(1));
      case 'r':
        return remember(number(4));
      case '\x94':
        return remember(memo_.size());
      case 'h':
        return push(recall(number(1)));
      case 'j':
        return push(recall(number(4)));
      case 'c': {
        const std::string module(line());
        return push_global(module, std::string(line()));
      }
      case '\x93': {  // STACK_GLOBAL
        const ValuePtr name = pop();
        const ValuePtr module = pop();
        if (name->kind != Value::Kind::string || module->kind != Value::Kind::string) broken("the names of a global");
        return push_global(module->text, name->text);
      }
      case 'Q':
        return persistent_id();
      case 'R':
        return reduce();
      case 'b': {
        // BUILD sets attributes; torch gives its OrderedDict a _metadata of version numbers, which says nothing here.
        pop();
        top(Value::Kind::dict, "a dict to give attributes to");
        return;
      }
      default:
        broken("an operation that builds plain values, got opcode " + shown(std::string_view(&opcode, 1)));
    }
  }

  std::string_view bytes_;
  std::string source_;
  std::size_t at_ = 0;
  std::vector<ValuePtr> stack_;
  std::map<std::uint64_t, ValuePtr> memo_;
  std::vector<ValuePtr> all_;
};

// ---- the state dict -----------------------------------------------------------------------------------------------

bool all_tensors(const Value& dict) {
  return dict.kind == Value::Kind::dict && !dict.members.empty() &&
         std::all_of(dict.members.begin(), dict.members.end(), [](const auto& member) {
           return member.first->kind == Value::Kind::string && member.second->kind == Value::Kind::tensor;
         });
}

const Value& state_dict(const Value& root, const std::string& source) {
  if (all_tensors(root)) return root;
  if (root.kind != Value::Kind::dict) fail(source, "expected a dict of tensors, got another object");
  for (const char* name : {"state_dict", "model_state_dict", "model"}) {
    for (const auto& [key, value] : root.members) {
      if (key->kind == Value::Kind::string && key->text == name && all_tensors(*value)) return *value;
    }
  }
  for (const auto& [key, value] : root.members) {
    if (key->kind != Value::Kind::string)
      fail(source, "expected a dict from names to tensors, got a key of another type");
    if (value->kind != Value::Kind::tensor) fail(source, shown(key->text) + ": expected a tensor, got another object");
  }
  fail(source, "expected a dict of tensors, got an empty one");
}

/// A tensor's bytes in row-major order: a view where they lie so already, else a copy. They are taken off `room`.
TensorView lay_out(const std::string& name, const TensorRef& tensor, std::string_view storage, std::uint64_t& room,
                   TorchFile& file, const std::string& source) {
  const std::size_t size = dtype_size(tensor.storage.dtype);
  if (tensor.shape.size() != tensor.strides.size()) {
    fail(source, shown(name) + ": expected a stride for each dimension");
  }
  if (storage.size() / size < tensor.storage.elements) {
    fail(source, shown(name) + ": expected a storage of " + std::to_string(tensor.storage.elements) +
                     " elements, got " + std::to_string(storage.size()) + " bytes (truncated?)");
  }
  TensorView view{name, tensor.storage.dtype, tensor.shape, {}};
  if (std::find(tensor.shape.begin(), tensor.shape.end(), 0U) != tensor.shape.end()) return view;
  // Every size, stride and sum stays at most `available`, below 2^60, before it is used.
  const std::uint64_t available = tensor.storage.elements;
  std::uint64_t count = 1;
  std::uint64_t last = tensor.offset;
  bool contiguous = true;
  bool inside = last < available;
  for (std::size_t d = tensor.shape.size(); d-- > 0 && inside;) {
    const std::uint64_t extent = tensor.shape[d];
    const std::uint64_t stride = tensor.strides[d];
    contiguous = contiguous && (extent == 1 || stride == count);
    // A stride of 0 repeats an element: the count is bounded by itself.
    inside = extent <= available && count <= available / extent;
    if (!inside) break;
    count *= extent;
    if (extent > 1) {
      inside = stride <= (available - 1 - last) / (extent - 1);
      if (inside) last += (extent - 1) * stride;
    }
  }
  if (!inside) {
    fail(source, shown(name) + ": expected a tensor inside its storage of " + std::to_string(available) +
                     " elements, got one that reaches beyond");
  }
  if (count * size > room) {
    fail(source, shown(name) + ": expected tensors of at most " + std::to_string(most_sharing) +
                     " times the bytes of their storages together, got more");
  }
  room -= count * size;
  const auto bytes = std::as_bytes(std::span(storage));
  if (contiguous) {
    view.bytes = bytes.subspan(tensor.offset * size, count * size);
    return view;
  }
  const auto copy = std::make_shared<std::vector<std::byte>>(count * size);
  std::vector<std::uint64_t> index(tensor.shape.size(), 0);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t at = tensor.offset;
    for (std::size_t d = 0; d < index.size(); ++d) at += index[d] * tensor.strides[d];
    std::memcpy(copy->data() + i * size, bytes.data() + at * size, size);
    for (std::size_t d = index.size(); d-- > 0;) {
      if (++index[d] < tensor.shape[d]) break;
      index[d] = 0;
    }
  }
  view.bytes = *copy;
  file.owners.push_back(copy);
  return view;
}

TorchFile collect(const Value& root, const std::map<std::string, std::string_view, std::less<>>& storages,
                  TorchFile file, const std::string& source) {
  std::uint64_t room = 0;
  for (const auto& [key, bytes] : storages) room += most_sharing * bytes.size();
  for (const auto& [key, value] : state_dict(root, source).members) {
    const TensorRef& tensor = value->tensor;
    const auto storage = storages.find(tensor.storage.key);
    if (storage == storages.end()) {
      fail(source, shown(key->text) + ": expected the storage " + shown(tensor.storage.key) + " in the file, got none");
    }
    file.tensors.push_back(lay_out(key->text, tensor, storage->second, room, file, source));
  }
  return file;
}

TorchFile parse_archive(std::string_view bytes, const std::string& source) {
  const auto entries = read_zip(bytes, source);
  std::optional<std::string> prefix;
  for (const auto& [name, content] : entries) {
    if (name != "data.pkl" && !name.ends_with("/data.pkl")) continue;
    if (prefix) fail(source, "expected one data.pkl, got several");
    prefix = name.substr(0, name.size() - std::string_view("data.pkl").size());
  }
  if (!prefix) fail(source, "expected an entry data.pkl in the archive, got none");
  if (const auto order = entries.find(*prefix + "byteorder"); order != entries.end() && *order->second != "little") {
    fail(source, "byteorder: expected 'little', got " + shown(*order->second));
  }
  TorchFile file;
  std::map<std::string, std::string_view, std::less<>> storages;
  const std::string data = *prefix + "data/";
  for (const auto& [name, content] : entries) {
    if (!name.starts_with(data)) continue;
    storages.emplace(name.substr(data.size()), *content);
    file.owners.push_back(content);
  }
  Machine machine(*entries.at(*prefix + "data.pkl"), source);
  const ValuePtr root = machine.run();
  return collect(*root, storages, std::move(file), source);
}

void collect_storages(const Value& value, std::map<std::string, StorageRef>& storages) {
  for (const auto& [key, member] : value.members) {
    if (member->kind == Value::Kind::tensor) storages.emplace(member->tensor.storage.key, member->tensor.storage);
  }
}

TorchFile parse_legacy(std::string_view bytes, TorchFile file, const std::string& source) {
  Machine machine(bytes, source);
  if (const ValuePtr magic = machine.run(); magic->kind != Value::Kind::bytes || magic->text != legacy_magic) {
    fail(source, "expected a file of torch.save, got another pickle");
  }
  if (const ValuePtr version = machine.run(); version->kind != Value::Kind::integer || version->integer != 1001) {
    fail(source, "expected the protocol version 1001");
  }
  const ValuePtr system = machine.run();
  for (const auto& [key, value] : system->members) {
    if (key->text == "little_endian" && value->kind == Value::Kind::boolean && value->integer == 0) {
      fail(source, "expected little-endian storages");
    }
  }
  const ValuePtr root = machine.run();
  const Value& dict = state_dict(*root, source);
  std::map<std::string, StorageRef> known;
  collect_storages(dict, known);
  const ValuePtr keys = machine.run();
  if (keys->kind != Value::Kind::list) fail(source, "expected the list of storage keys");
  std::map<std::string, std::string_view, std::less<>> storages;
  std::string_view rest = machine.rest();
  for (const ValuePtr& key : keys->items) {
    const auto at = known.find(key->text);
    if (key->kind != Value::Kind::string || at == known.end()) {
      fail(source, "storage " + shown(key->text) + ": expected one that a tensor of the dict uses");
    }
    if (rest.size() < 8)
      fail(source, "storage " + shown(key->text) + ": expected its length, got the end (truncated?)");
    const std::uint64_t elements = little(rest, 0, 8);
    rest.remove_prefix(8);
    const std::size_t size = dtype_size(at->second.dtype);
    if (elements > rest.size() / size) {
      fail(source, "storage " + shown(key->text) + ": expected " + std::to_string(elements) + " elements, got " +
                       std::to_string(rest.size()) + " bytes (truncated?)");
    }
    storages.emplace(key->text, rest.substr(0, elements * size));
    rest.remove_prefix(elements * size);
  }
  return collect(*root, storages, std::move(file), source);
}

}  // namespace

bool is_torch_file(std::string_view bytes) {
  if (bytes.starts_with("PK\x03\x04")) return true;
  // A pickle says its protocol first; the header of safetensors, which may begin with the same bytes, is JSON.
  return bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 0 && bytes[1] <= 5 &&
         !(bytes.size() > 8 && bytes[8] == '{');
}

TorchFile parse_torch_file(std::string_view bytes, const std::string& source) {
  if (bytes.starts_with("PK")) return parse_archive(bytes, source);
  const auto owner = std::make_shared<const std::string>(bytes);
  TorchFile file;
  file.owners.push_back(owner);
  return parse_legacy(*owner, std::move(file), source);
}

}  // namespace krohn
