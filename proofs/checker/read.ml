(* Reads certificates, models and automata (docs/certificates.md, docs/semantics.md) for the proved checker. This file is
   trusted: that what it hands on is what the files say is not proved. *)
module Whole = Z
open Proved
module Z = Whole

exception Rejected of string
exception Unchecked of string

let reject format = Printf.ksprintf (fun text -> raise (Rejected text)) format
let expect holds reason = if not holds then raise (Rejected reason)

let file path =
  try let channel = open_in_bin path in
    Fun.protect ~finally:(fun () -> close_in channel) (fun () -> really_input_string channel (in_channel_length channel))
  with Sys_error reason | Invalid_argument reason -> raise (Rejected reason)

let sha256 data = Sha256.to_hex (Sha256.string data)
(* JSON: one value, no key twice, strings kept as UTF-8. *)

type json = Null | Bool of bool | Int of Z.t | Float | String of string | List of json list | Object of (string * json) list

(* The code points of UTF-8; every other string is refused. *)
let points what text =
  let n = String.length text in
  let bad () = reject "%s: no UTF-8" what in
  let byte i = if i < n && Char.code text.[i] land 0xC0 = 0x80 then Char.code text.[i] land 0x3F else bad () in
  let rec from i found =
    if i >= n then List.rev found
    else
      let c = Char.code text.[i] in
      let size, first, least = if c < 0x80 then (1, c, 0) else if c < 0xC0 then bad ()
        else if c < 0xE0 then (2, c land 0x1F, 0x80) else if c < 0xF0 then (3, c land 0xF, 0x800)
        else if c < 0xF8 then (4, c land 7, 0x10000) else bad () in
      let point = ref first in
      for k = 1 to size - 1 do point := (!point lsl 6) lor byte (i + k) done;
      if !point < least || !point > 0x10FFFF || (!point >= 0xD800 && !point < 0xE000) then bad ();
      from (i + size) (!point :: found)
  in
  from 0 []

let parse_json what text =
  ignore (points what text);
  let n = String.length text and at = ref 0 in
  let bad reason = reject "%s: no JSON: %s at byte %d" what reason !at in
  let peek () = if !at < n then text.[!at] else '\000' in
  let rec blanks () = if !at < n && String.contains " \t\n\r" text.[!at] then (incr at; blanks ()) in
  let take c = if peek () = c && !at < n then incr at else bad (Printf.sprintf "expected %c" c) in
  let hex4 () =
    if !at + 4 > n then bad "a short escape";
    let digits = String.sub text !at 4 in
    String.iter (fun c -> match c with '0' .. '9' | 'a' .. 'f' | 'A' .. 'F' -> () | _ -> bad "a wrong escape") digits;
    at := !at + 4;
    int_of_string ("0x" ^ digits) in
  let string () =
    take '"';
    let buffer = Buffer.create 16 in
    let rec go () =
      if !at >= n then bad "an open string";
      let c = text.[!at] in incr at;
      if c = '"' then Buffer.contents buffer
      else if c < ' ' then bad "a control character in a string"
      else if c <> '\\' then (Buffer.add_char buffer c; go ())
      else begin
        let e = peek () in incr at;
        (match e with
         | '"' | '\\' | '/' -> Buffer.add_char buffer e
         | 'b' -> Buffer.add_char buffer '\b' | 'f' -> Buffer.add_char buffer '\012' | 'n' -> Buffer.add_char buffer '\n'
         | 'r' -> Buffer.add_char buffer '\r' | 't' -> Buffer.add_char buffer '\t'
         | 'u' ->
             let high = hex4 () in
             let low = if high < 0xD800 || high > 0xDFFF then 0
               else if high < 0xDC00 && !at + 6 <= n && String.sub text !at 2 = "\\u" then (at := !at + 2; hex4 ()) else 0 in
             if high >= 0xD800 && high < 0xE000 && (low < 0xDC00 || low > 0xDFFF) then bad "half a surrogate pair";
             let point = if low = 0 then high else 0x10000 + ((high - 0xD800) lsl 10) + (low - 0xDC00) in
             Buffer.add_utf_8_uchar buffer (Uchar.of_int point)
         | _ -> bad "a wrong escape");
        go ()
      end in
    go () in
  let number () =
    let first = !at in
    let digits () = let from = !at in while peek () >= '0' && peek () <= '9' do incr at done;
      if !at = from then bad "expected a value" in
    if peek () = '-' then incr at;
    if peek () = '0' then incr at else digits ();
    let whole = !at in
    if peek () = '.' then (incr at; digits ());
    if peek () = 'e' || peek () = 'E' then (incr at; if peek () = '+' || peek () = '-' then incr at; digits ());
    if !at > whole then Float else Int (Z.of_string (String.sub text first (whole - first))) in
  let word name value = String.iter take name; value in
  let rec value depth =
    if depth > 900 then bad "nested too deep";
    blanks ();
    let found = match peek () with
      | '{' -> incr at; blanks (); if peek () = '}' then (incr at; Object []) else Object (pairs depth [])
      | '[' -> incr at; blanks (); if peek () = ']' then (incr at; List []) else List (items depth [])
      | '"' -> String (string ())
      | 't' -> word "true" (Bool true) | 'f' -> word "false" (Bool false) | 'n' -> word "null" Null
      | _ -> number () in
    blanks (); found
  and items depth found =
    let found = value (depth + 1) :: found in
    if peek () = ',' then (incr at; items depth found) else (take ']'; List.rev found)
  and pairs depth found =
    blanks ();
    let key = string () in
    if List.mem_assoc key found then bad ("the key " ^ key ^ " twice");
    blanks (); take ':';
    let found = (key, value (depth + 1)) :: found in
    if peek () = ',' then (incr at; pairs depth found) else (take '}'; List.rev found) in
  let result = value 0 in
  if !at < n then bad "text after the value" else result

let members what names = function
  | Object fields when List.sort compare (List.map fst fields) = List.sort compare names -> fun name -> List.assoc name fields
  | _ -> reject "%s: expected an object with exactly the members %s" what (String.concat ", " names)

let text what = function String s -> s | _ -> reject "%s: expected a string" what
let items what = function List l -> l | _ -> reject "%s: expected a list" what
let texts what value = List.map (text what) (items what value)

let integer what low bound = function
  | Int z when Z.geq z low && Z.lt z bound -> z
  | _ -> reject "%s: expected an integer from %s to below %s" what (Z.to_string low) (Z.to_string bound)

let natural ?(bound = 1 lsl 53) what value = Z.to_int (integer what Z.zero (Z.of_int bound) value)
let label what = function Null -> None | String s -> Some s | _ -> reject "%s: expected names or null as labels" what
let field fields name = try List.assoc name fields with Not_found -> Null

let distinct_names what names =
  expect (names <> [] && List.length (List.sort_uniq compare names) = List.length names) (what ^ ": expected distinct symbols")

(* Words of 32 bits, and the numbers of patterns. *)

let word data at = Int32.to_int (String.get_int32_le data at) land 0xFFFFFFFF
let words data = Array.init (String.length data / 4) (fun i -> word data (4 * i))
let known_numbers = Hashtbl.create 64

let number bits =
  expect (bits land 0x7F800000 <> 0x7F800000) "a number is infinite or NaN";
  match Hashtbl.find_opt known_numbers bits with
  | Some x -> x
  | None -> let x = of_bits (Z.of_int bits) in Hashtbl.add known_numbers bits x; x

(* Models *)

let read_tensors path =
  let what = "model.safetensors" in
  let data = file path in
  expect (String.length data >= 8) (what ^ ": too short");
  let length = Int64.to_int (String.get_int64_le data 0) in
  expect (length >= 0 && length <= String.length data - 8) (what ^ ": the header is longer than the file");
  let body = String.length data - 8 - length in
  let fields = match parse_json what (String.sub data 8 length) with Object f -> f | _ -> reject "%s: expected an object" what in
  let read (name, entry) =
    let entry = members name [ "dtype"; "shape"; "data_offsets" ] entry in
    let dtype = text name (entry "dtype") in
    let size = match dtype with "F32" | "U32" | "I32" -> 4 | "BOOL" -> 1 | _ -> reject "%s: unknown dtype" name in
    let shape = List.map (natural name) (items name (entry "shape")) in
    let first, last = match List.map (natural name) (items name (entry "data_offsets")) with [ a; b ] -> (a, b)
      | _ -> reject "%s: expected two offsets" name in
    let bytes = List.fold_left (fun n k -> Z.mul n (Z.of_int k)) (Z.of_int size) shape in
    expect (first <= last && last <= body && Z.equal (Z.of_int (last - first)) bytes)
      (name ^ ": the offsets do not fit the shape");
    ((first, last), (name, (dtype, shape, String.sub data (8 + length + first) (last - first)))) in
  let read = List.map read (List.remove_assoc "__metadata__" fields) in
  let position = List.fold_left
    (fun position ((first, last), _) -> expect (first = position) (what ^ ": tensors overlap or leave gaps"); last)
    0 (List.sort compare read) in
  expect (position = body) (what ^ ": bytes after the last tensor");
  List.map snd read

(* The layer, and the numbers of its actions, readouts and rows and the bits of its first hidden state. *)
type read_layer = { layer : layer; actions : int; readouts : int; rows : int; size : int; nexts : int array }

let table values i = if i >= 0 && i < Array.length values then Some values.(i) else None
let slice values first last = Array.to_list (Array.sub values first (last - first))
let signed values = Array.map (fun x -> if x >= 1 lsl 31 then x - (1 lsl 32) else x) values
let row_or_none values = Array.map (fun x -> if x < 0 then None else Some x) values

let read_layer tensors number_of_layer =
  let prefix = Printf.sprintf "layers.%d." number_of_layer in
  let wrong name = reject "model: %s%s: %s" prefix name in
  if List.mem_assoc (prefix ^ "table.read_offset") tensors then raise (Unchecked "factors with read vectors of their own are not proved here");
  if List.mem_assoc (prefix ^ "codes") tensors then raise (Unchecked "states that are snapped to codes are not proved here");
  let take ?(rank = 1) name dtype =
    match List.assoc_opt (prefix ^ name) tensors with
    | Some (d, shape, data) when d = dtype && List.length shape = rank -> (data, shape)
    | _ -> wrong name (Printf.sprintf "expected %s of rank %d" dtype rank) in
  let naturals name = words (fst (take name "U32")) in
  let offsets name items =
    let values = naturals name in
    let n = Array.length values in
    let rec ascend i = i >= n || (values.(i - 1) <= values.(i) && ascend (i + 1)) in
    if not (n > 0 && values.(0) = 0 && values.(n - 1) = items && ascend 1) then wrong name "expected ascending offsets";
    values in
  let rows_of offset values = Array.init (Array.length offset - 1) (fun r -> slice values offset.(r) offset.(r + 1)) in
  let floats name = Array.map number (words (fst (take name "F32"))) in
  let entries stem bound =
    let index = naturals (stem ^ "_index") and value = floats (stem ^ "_value") in
    if Array.length index <> Array.length value || Array.exists (fun i -> i >= bound) index
       || Array.exists is_zero value then wrong stem "the entries do not fit";
    let rows = rows_of (offsets (stem ^ "_offset") (Array.length index)) (Array.map2 (fun i x -> (i, x)) index value) in
    let rec ascend = function (i, _) :: ((j, _) :: _ as rest) -> i < j && ascend rest | _ -> true in
    if not (Array.for_all ascend rows) then wrong stem "expected ascending indices";
    rows in
  let initial, shape = take ~rank:2 "initial_hidden" "F32" in
  let keys, columns = match shape with [ a; b ] -> (a, b) | _ -> wrong "initial_hidden" "rank" in
  let size = keys * columns in if size < 1 then wrong "initial_hidden" "a layer has no hidden state";
  let key = entries "table.key" keys and value = entries "table.value" columns and write = entries "table.write" size in
  let beta = floats "table.beta" and gate = floats "table.gate" in
  let factors = Array.length beta in
  let factor_offset = offsets "table.factor_offset" factors and gate_offset = offsets "table.gate_offset" (Array.length gate) in
  let actions = Array.length write in
  if Array.length key <> factors || Array.length value <> factors || Array.length factor_offset <> actions + 1
     || Array.length gate_offset <> actions + 1 then wrong "table" "the rows do not fit";
  let all_factors = Array.init factors (fun f -> { beta = beta.(f); key = key.(f); value = value.(f) }) in
  let factor_rows = rows_of factor_offset all_factors and gates = rows_of gate_offset gate in
  let actions_at = Array.init actions (fun r ->
    let n = List.length gates.(r) in
    if n <> 1 && n <> keys then wrong "table.gate" "a gate has a wrong length";
    { gate = gates.(r); factors = factor_rows.(r); write = write.(r) }) in
  let bias = floats "readout.bias" and weight = entries "readout.weight" size in
  if Array.length weight <> Array.length bias then wrong "readout" "the readouts do not fit";
  let readouts = rows_of (offsets "readout.slot_offset" (Array.length bias)) (Array.map2 (fun b w -> (b, w)) bias weight) in
  if Array.exists (fun r -> r = []) readouts then wrong "readout" "a readout has no slots";
  let reads_before = match take "reads_before" "BOOL" with
    | "\000", _ -> false | "\001", _ -> true | _ -> wrong "reads_before" "expected one truth value" in
  let row_action = naturals "row_action" and row_readout = naturals "row_readout" and row_next = naturals "row_next" in
  let nexts = signed (words (fst (take "next" "I32"))) in
  let rows = Array.length row_action in
  if Array.length row_readout <> rows || Array.length row_next <> rows then wrong "row" "the input rows do not fit";
  for r = 0 to rows - 1 do
    if row_action.(r) >= actions || row_readout.(r) >= Array.length readouts
       || row_next.(r) + List.length readouts.(row_readout.(r)) > Array.length nexts then wrong "row" "out of range"
  done;
  let rows_at = Array.init rows (fun r ->
    { row_action = row_action.(r); row_readout = row_readout.(r); row_next = row_next.(r) }) in
  let layer = { value_size = columns; initial_hidden = List.map number (Array.to_list (words initial)); reads_before;
                action_at = table actions_at; readout_at = table readouts; row_at = table rows_at;
                next_at = table (row_or_none nexts) } in
  { layer; actions; readouts = Array.length readouts; rows; size; nexts }

type read_model = { model : string model; names : string list; of_layers : read_layer list; model_fingerprint : string;
                    state_words : int }

let read_model directory =
  let what = "config.json" in
  let config = match parse_json what (file (Filename.concat directory what)) with Object f -> f | _ -> reject "%s: expected an object" what in
  expect (field config "model_type" = String "krohn-lrnn" && field config "format_version" = Int Z.one)
    (what ^ ": expected a krohn-lrnn model of version 1");
  let names = texts (what ^ ": alphabet") (field config "alphabet") in
  distinct_names what names;
  let label_names = Array.of_list (texts (what ^ ": label_names") (field config "label_names")) in
  let initial = Z.to_int (integer (what ^ ": initial_label") Z.minus_one (Z.of_int (Array.length label_names)) (field config "initial_label")) in
  let count = natural ~bound:100000 (what ^ ": num_layers") (field config "num_layers") in
  let tensors = read_tensors (Filename.concat directory "model.safetensors") in
  let symbol_row = match List.assoc_opt "symbol_row" tensors with
    | Some ("I32", _, data) -> signed (words data) | _ -> reject "model: no symbol_row" in
  expect (Array.length symbol_row = List.length names) "model: symbol_row has a wrong length";
  let of_layers = List.init count (read_layer tensors) in
  let bounds = List.map (fun l -> l.rows) of_layers @ [ Array.length label_names ] in
  List.iter2 (fun rows bound -> expect (Array.for_all (fun r -> r >= -1 && r < bound) rows) "model: a row is out of range")
    (symbol_row :: List.map (fun l -> l.nexts) of_layers) bounds;
  let buffer = Buffer.create 65536 in
  let add_number n = Buffer.add_int64_le buffer (Int64.of_int n) in
  let add_text s = add_number (String.length s); Buffer.add_string buffer s in
  let add_texts l = add_number (List.length l); List.iter add_text l in
  add_text "krohn-lrnn-v1"; add_texts names; add_texts (Array.to_list label_names); add_number initial; add_number (List.length tensors);
  List.iter (fun (name, (dtype, shape, data)) ->
      add_text name; add_text dtype; add_number (List.length shape); List.iter add_number shape; add_text data)
    (List.sort compare tensors);
  { model = { symbols = List.length names; symbol_row = table (row_or_none symbol_row);
              layers = List.map (fun l -> l.layer) of_layers; initial_label = (if initial < 0 then None else Some initial);
              label_name = table label_names };
    names; of_layers; model_fingerprint = sha256 (Buffer.contents buffer);
    state_words = List.fold_left (fun n l -> n + l.size) 1 of_layers }

(* Automata *)

type automaton = { alphabet : string list; first : int; transitions : int array array; labels : string option array }

let checked_automaton alphabet first transitions labels =
  distinct_names "automaton" alphabet;
  let states = Array.length labels in
  expect (Array.length transitions = states && first < states) "automaton: the lists do not fit together";
  Array.iter (fun row -> expect (Array.length row = List.length alphabet && Array.for_all (fun q -> q < states) row)
                 "automaton: expected one state a symbol") transitions;
  { alphabet; first; transitions; labels }

let rows_of_json what read value = Array.of_list (List.map (fun row -> Array.of_list (List.map read (items what row))) (items what value))
let labels_of what value = Array.of_list (List.map (label what) (items what value))

let automaton_of_certificate value =
  let member = members "automaton" [ "alphabet"; "start"; "transitions"; "labels" ] value in
  checked_automaton (texts "alphabet" (member "alphabet")) (natural "start" (member "start"))
    (rows_of_json "automaton" (natural "automaton") (member "transitions")) (labels_of "automaton" (member "labels"))

(* krohn-automaton-v1; missing transitions lead to a sink. *)
let automaton_of_file path =
  let what = "automaton" in
  let fields = match parse_json what (file path) with Object f -> f | _ -> reject "automaton: expected an object" in
  let known = [ "format"; "alphabet"; "start"; "transitions"; "accepting"; "labels"; "label_names" ] in
  expect (field fields "format" = String "krohn-automaton-v1") "automaton: expected the format krohn-automaton-v1";
  expect (List.for_all (fun (name, _) -> List.mem name known) fields) "automaton: unknown members";
  let accepts = List.mem_assoc "accepting" fields in
  expect (accepts <> List.mem_assoc "labels" fields) "automaton: expected either accepting or labels";
  let rows = rows_of_json what (function Null -> None | n -> Some (natural what n)) (field fields "transitions") in
  let states = Array.length rows and alphabet = texts what (field fields "alphabet") in
  let labels = if accepts then begin
      let marked = List.map (natural ~bound:states "accepting") (items "accepting" (field fields "accepting")) in
      Array.init states (fun q -> Some (if List.mem q marked then "1" else "0"))
    end else labels_of what (field fields "labels") in
  expect (Array.length labels = states) "automaton: expected one label a state";
  let partial = Array.exists (Array.exists Option.is_none) rows in
  let sink = if Array.for_all (fun l -> l = Some "0" || l = Some "1") labels then Some "0" else None in
  let rows = Array.map (Array.map (Option.value ~default:states)) rows in
  let first = natural "start" (field fields "start") in
  if partial then checked_automaton alphabet first (Array.append rows [| Array.make (List.length alphabet) states |]) (Array.append labels [| sink |])
  else checked_automaton alphabet first rows labels

let dfa automaton symbols =
  { initial_state = automaton.first; state_label = table automaton.labels;
    next_state = (fun q s -> match table symbols s, table automaton.transitions q with
      | Some symbol, Some row -> table row symbol | _ -> None) }

let automaton_fingerprint a =
  let buffer = Buffer.create 1024 in
  let list show l = "[" ^ String.concat "," (List.map show l) ^ "]" in
  let quoted s =
    Buffer.clear buffer;
    List.iter (fun c -> Buffer.add_string buffer (match c with
        | 0x22 -> "\\\"" | 0x5C -> "\\\\" | 0x0A -> "\\n" | 0x0D -> "\\r" | 0x09 -> "\\t" | 0x0C -> "\\f" | 0x08 -> "\\b"
        | c when c >= 0x20 && c < 0x80 -> String.make 1 (Char.chr c)
        | c when c < 0x10000 -> Printf.sprintf "\\u%04x" c
        | c -> Printf.sprintf "\\u%04x\\u%04x" (0xD800 + ((c - 0x10000) lsr 10)) (0xDC00 + (c land 0x3FF)))) (points "automaton" s);
    "\"" ^ Buffer.contents buffer ^ "\"" in
  sha256 (Printf.sprintf "krohn-automaton-v1\n{\"alphabet\":%s,\"start\":%d,\"transitions\":%s,\"labels\":%s}"
    (list quoted a.alphabet) a.first
    (list (fun row -> list string_of_int (Array.to_list row)) (Array.to_list a.transitions))
    (list (function None -> "null" | Some s -> quoted s) (Array.to_list a.labels)))

(* Certificates *)

type certificate = { verdict : string; length : Z.t option; exact_bits : int option; semantics : semantics; claim : string;
                     fingerprint : string; language : automaton; symbol_map : int array; kind : string; evidence : json;
                     payload : string; mutable at : int }

let read_certificate path =
  let data = file path and magic = "krohn-certificate-v2\n" in
  let starts prefix = String.length data >= String.length prefix && String.sub data 0 (String.length prefix) = prefix in
  expect (starts magic) (if starts "krohn-certificate-v" then "a certificate of another version" else "the file is no certificate");
  let size = String.length data - 32 in
  expect (size >= 29) "the certificate is truncated";
  let hex = String.concat "" (List.init 32 (fun i -> Printf.sprintf "%02x" (Char.code data.[size + i]))) in
  expect (sha256 (String.sub data 0 size) = hex) "the certificate's digest does not fit its bytes";
  let length = Int64.to_int (String.get_int64_le data 21) in
  expect (length >= 0 && length <= size - 29) "the certificate's header is longer than the file";
  expect ((size - 29 - length) mod 4 = 0) "the payload is not made of 32-bit words";
  let member = members "certificate" [ "tool"; "model_name"; "language_name"; "verdict"; "length"; "exact_bits"; "semantics";
      "claim"; "label_rule"; "model_fingerprint"; "automaton_fingerprint"; "automaton"; "symbol_map"; "evidence" ]
      (parse_json "certificate" (String.sub data 29 length)) in
  let string name = text ("certificate: " ^ name) (member name) in
  List.iter (fun name -> ignore (string name)) [ "tool"; "model_name"; "language_name" ];
  let verdict = string "verdict" and name = string "semantics" in
  expect (List.mem verdict [ "PROVED"; "CERTIFIED"; "REFUTED"; "UNKNOWN" ]) "certificate: unknown verdict";
  let optional name bound = match member name with Null -> None | n -> Some (integer name Z.zero bound n) in
  let claimed = optional "length" (Z.shift_left Z.one 64) in
  let exact_bits = Option.map Z.to_int (optional "exact_bits" (Z.of_int 25)) in
  expect (exact_bits = None || verdict = "PROVED") "certificate: exact_bits";
  let semantics = match name with "fp32-fma-v1" -> Fp32Fma | "fp16-state-v1" -> Fp16State | "bf16-state-v1" -> Bf16State
    | "int8-wrap-state-v1" | "int8-saturate-state-v1" | "int16-wrap-state-v1" | "int16-saturate-state-v1" | "fp32-snap-v1" -> raise (Unchecked ("the semantics " ^ name ^ " is not proved here"))
    | _ -> reject "certificate: unknown semantics" in
  let evidence = member "evidence" in
  let kind = match evidence with Object fields -> text "certificate: evidence" (field fields "kind") | _ -> reject "certificate: expected evidence" in
  expect (string "label_rule" = "labels are equal if their names are; a null label of the automaton asks for nothing; ? equals no label")
    "certificate: another rule for labels";
  let agree = "the model's label in " ^ name ^ " is the automaton's" in
  let n = match claimed with None -> "None" | Some z -> Z.to_string z in
  let claim = match verdict with
    | "PROVED" -> "on every word " ^ agree ^ (if exact_bits = None then "" else ", for every order of operations")
    | "CERTIFIED" -> "on every word of length at most " ^ n ^ " " ^ agree
    | "REFUTED" when kind = "lasso" -> "behind two words the model carries the same bits in " ^ name ^ ", and with one suffix, \
        the longer then of length " ^ n ^ ", the automaton asks for different labels"
    | "REFUTED" -> "on the word of length " ^ n ^ " the model's label in " ^ name ^ " is not the automaton's"
    | _ when claimed = None -> "nothing"
    | _ -> "no certificate: a search says that on every word of length at most " ^ n ^ " " ^ agree in
  expect (string "claim" = claim) "certificate: the claim is not that of the verdict";
  let language = automaton_of_certificate (member "automaton") in
  expect (string "automaton_fingerprint" = automaton_fingerprint language) "certificate: the automaton's fingerprint does not fit";
  { verdict; length = claimed; exact_bits; semantics; claim; fingerprint = string "model_fingerprint"; language; kind; evidence;
    symbol_map = Array.of_list (List.map (natural "symbol_map") (items "symbol_map" (member "symbol_map")));
    payload = String.sub data (29 + length) (size - 29 - length); at = 0 }

(* The next words of the payload. *)
let take certificate count =
  expect (count <= (String.length certificate.payload / 4) - certificate.at) "the payload is shorter than announced";
  certificate.at <- certificate.at + count;
  Array.init count (fun i -> word certificate.payload (4 * (certificate.at - count + i)))

let finish certificate = expect (4 * certificate.at = String.length certificate.payload) "the payload is longer than announced"
