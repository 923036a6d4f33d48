(* Turns a certificate's evidence into what the proved checker asks for. Nothing here is trusted: hidden states are
   numbered, tables and pairs are searched, and Checker.v verifies all of them. *)
module Whole = Z
open Proved
module Z = Whole
open Read

(* Hidden states by their bits. *)
let key_of hidden =
  let buffer = Buffer.create 256 in
  let add = function
    | B754_finite (s, m, e) ->
        let m = Z.to_int m and sign = if s then 1 lsl 31 else 0 in
        let bits = if m < 1 lsl 23 then m else ((Z.to_int e + 150) lsl 23) lor (m land 0x7FFFFF) in
        Buffer.add_int32_le buffer (Int32.of_int (sign lor bits))
    | B754_zero s -> Buffer.add_int32_le buffer (if s then Int32.min_int else 0l)
    | _ -> Buffer.add_int32_le buffer (-1l) in
  List.iter add hidden;
  Buffer.contents buffer

type states = { numbers : (string, int) Hashtbl.t; mutable listed : hidden array; mutable used : int }

let new_states () = { numbers = Hashtbl.create 64; listed = [||]; used = 0 }

(* The number of a listed state, a new one if it was not seen before. *)
let number_of states key hidden =
  match Hashtbl.find_opt states.numbers key with
  | Some i -> i
  | None ->
      let i = states.used in
      if i = Array.length states.listed then
        states.listed <- Array.append states.listed (Array.make (max 16 i) []);
      states.listed.(i) <- hidden ();
      states.used <- i + 1;
      Hashtbl.add states.numbers key i;
      i

let finite hidden = expect (not (Array.exists (fun bits -> bits = 0x80000000) hidden)) "a hidden state has a negative zero";
  Array.iter (fun bits -> ignore (number bits)) hidden

let state_of_words states words =
  let key = Bytes.create (4 * Array.length words) in
  Array.iteri (fun i bits -> Bytes.set_int32_le key (4 * i) (Int32.of_int bits)) words;
  number_of states (Bytes.to_string key) (fun () -> finite words; List.map number (Array.to_list words))

(* Tables whose entries are computed when they are asked for, and the same with those entries alone. With `grow` a hidden
   state that is not listed gets a number of its own: at the end of a bounded closure labels are asked for, not states. *)
let tables semantics grow read states =
  let count = if grow then states.used * (read.actions + 1) else states.used in
  let moves = Hashtbl.create 256 and slots = Hashtbl.create 256 in
  let remember table key compute =
    match Hashtbl.find_opt table key with
    | Some value -> value
    | None -> let value = compute () in Hashtbl.add table key value; value in
  let move a i =
    remember moves ((a * count) + i) (fun () ->
      match act semantics read.layer a states.listed.(i) with
      | Some h when grow -> Some (number_of states (key_of h) (fun () -> h))
      | Some h -> Hashtbl.find_opt states.numbers (key_of h)
      | None -> None) in
  let slot r i =
    remember slots ((r * count) + i) (fun () -> Option.map fst (decode_by read.layer r states.listed.(i))) in
  let listed = { count; num_actions = read.actions; num_readouts = read.readouts; moves = move; slots = slot;
                 state = (fun i -> if i < states.used then Some states.listed.(i) else None) } in
  let freeze () =
    { listed with count = states.used;
      moves = (fun a i -> Option.join (Hashtbl.find_opt moves ((a * count) + i)));
      slots = (fun r i -> Option.join (Hashtbl.find_opt slots ((r * count) + i))) } in
  (listed, freeze)

(* The pairs that words reach in two machines, numbered as they are met, and where symbols lead. *)
let reachable symbols first step =
  let numbers = Hashtbl.create 64 and queue = Queue.create () in
  let see pair =
    match Hashtbl.find_opt numbers pair with
    | Some i -> i
    | None -> let i = Hashtbl.length numbers in Hashtbl.add numbers pair i; Queue.add pair queue; i in
  ignore (see first);
  let pairs = ref [] and successors = ref [] in
  while not (Queue.is_empty queue) do
    let pair = Queue.pop queue in
    pairs := pair :: !pairs;
    successors := Array.init symbols (fun s -> Option.map see (step pair s)) :: !successors
  done;
  let pairs = Array.of_list (List.rev !pairs) and successors = Array.of_list (List.rev !successors) in
  (pairs, fun i s -> Option.bind (table successors i) (fun row -> Option.join (table row s)))

let both f g = match f, g with Some x, Some y -> Some (x, y) | _ -> None

let pairing symbols a b =
  let pairs, successor = reachable symbols (a.initial_state, b.initial_state)
    (fun (p, q) s -> both (a.next_state p s) (b.next_state q s)) in
  { num_pairs = Array.length pairs; pair_at = table pairs; pair_successor = successor }

(* A carried state's words: the hidden states of the layers, or undefined. *)
let split_carried read words =
  let size = Array.length words in
  expect (size = read.state_words && words.(size - 1) <= 1) "a carried state has a wrong form";
  if words.(size - 1) = 1 then begin
    expect (Array.for_all (fun x -> x = 0) (Array.sub words 0 (size - 1))) "an undefined state is not empty";
    None
  end else
    let at = ref 0 in
    Some (List.map (fun l -> let part = Array.sub words !at l.size in at := !at + l.size; part) read.of_layers)

let closure certificate read bound =
  let member = members "evidence" [ "kind"; "pairs"; "state_words" ] certificate.evidence in
  let pairs = natural ~bound:(1 lsl 32) "pairs" (member "pairs") in
  let width = natural ~bound:(1 lsl 32) "state_words" (member "state_words") in
  expect (width = read.state_words && pairs >= 1) "the carried states have a wrong size";
  expect (4 * pairs <= String.length certificate.payload) "the payload is shorter than announced";
  let states = List.map (fun _ -> new_states ()) read.of_layers in
  let carried = Array.init pairs (fun _ ->
    Option.map (List.map2 state_of_words states) (split_carried read (take certificate width))) in
  let automaton_states = take certificate pairs in
  let depths = take certificate pairs in
  let successors = take certificate (pairs * read.model.symbols) in
  let evidence = {
    pairs;
    pair = (fun i -> if i < pairs then Some ((carried.(i), automaton_states.(i)), depths.(i)) else None);
    successor = (fun i s -> let j = successors.((i * read.model.symbols) + s) in
                  if j = 0xFFFFFFFF && bound <> None then None else Some j) } in
  (states, evidence)

let invariant certificate read =
  let member = members "evidence" [ "kind"; "root"; "nodes"; "children"; "layers" ] certificate.evidence in
  let size what value = natural ~bound:(1 lsl 32) what value in
  let sizes = items "evidence" (member "layers") and layers = List.length read.of_layers in
  expect (List.length sizes = layers && layers >= 1) "the invariant is of another number of layers";
  let nodes = size "nodes" (member "nodes") and root = size "root" (member "root") in
  let slot_readout = take certificate layers in
  let node_layer = take certificate nodes in
  let offset = take certificate (nodes + 1) in
  let children = signed (take certificate (size "children" (member "children"))) in
  let node_state = take certificate nodes in
  expect (root < nodes) "the invariant's root is no node";
  let ascending = ref (offset.(0) = 0 && offset.(nodes) = Array.length children) in
  for i = 1 to nodes do if offset.(i) < offset.(i - 1) then ascending := false done;
  expect (!ascending && Array.for_all (fun c -> c >= -1 && c < nodes) children) "the invariant's tree does not fit together";
  expect (Array.for_all (fun l -> l = 0xFFFFFFFF || l < layers) node_layer) "a node sits on a layer that is not there";
  let tree = {
    root; sits_on = (fun node k -> node < nodes && node_layer.(node) = k);
    child = (fun node s ->
      if node < nodes && s < offset.(node + 1) - offset.(node) then
        let c = children.(offset.(node) + s) in if c < 0 then None else Some c
      else None);
    leaf = (fun node -> if node < nodes && node_layer.(node) = 0xFFFFFFFF then Some node_state.(node) else None) } in
  let of_layer k (sizes, layer) =
    let member = members "evidence" [ "hidden_words"; "hidden"; "rows" ] sizes in
    let width = size "hidden_words" (member "hidden_words") and count = size "hidden" (member "hidden") in
    expect (width = layer.size && count >= 1 && slot_readout.(k) < layer.readouts) "a layer's lists do not fit together";
    let states = new_states () in
    for _ = 1 to count do ignore (state_of_words states (take certificate width)) done;
    let rows = take certificate (size "rows" (member "rows")) in
    let contexts = Array.make layer.rows None in
    let flat = take certificate (3 * Array.length rows) in
    Array.iteri (fun i row ->
        expect (row < layer.rows && contexts.(row) = None) "a layer's rows are not rows of the model";
        expect (flat.((3 * i) + 1) < nodes && flat.((3 * i) + 2) < nodes) "a row is annotated with a node that is not there";
        contexts.(row) <- Some ((flat.(3 * i), flat.((3 * i) + 1)), flat.((3 * i) + 2))) rows;
    let slots = Array.init states.used (fun i -> match decode_by layer.layer slot_readout.(k) states.listed.(i) with
        | Some (slot, _) -> slot | None -> reject "rejected: a decode leaves the numbers of the format") in
    (states, { walk_slot = (fun i -> Option.join (table slots i)); num_rows = layer.rows; context_at = (fun r -> Option.join (table contexts r)) }) in
  let layers = List.mapi of_layer (List.combine sizes read.of_layers) in
  (List.map fst layers, List.map snd layers, tree)

(* The automaton of the leaves: where its symbols lead is seen while the levels are checked once with open eyes. *)
let leaves model language hinted tree =
  let seen = Hashtbl.create 64 in
  let edge s p p' label =
    match Hashtbl.find_opt seen (s, p) with
    | None -> Hashtbl.add seen (s, p) (p', [ label ]); true
    | Some (p2, labels) ->
        if p2 = p' && not (List.mem label labels) then Hashtbl.replace seen (s, p) (p', label :: labels);
        p2 = p' in
  expect (check_levels tree edge 0 hinted) "the invariant does not hold";
  let target s p = Hashtbl.find_opt seen (s, p) in
  let first = match walk_from tree 0 hinted (List.map (fun _ -> 0) hinted) tree.root with
    | Some node -> (match tree.leaf node with Some p -> p | None -> reject "the first walk ends in no leaf")
    | None -> reject "the walk over the initial states is not defined" in
  let pairs, successor = reachable model.symbols (first, language.initial_state) (fun (p, q) s ->
    match class_of model tree hinted s with
    | Some (_, c) -> both (Option.map fst (target c p)) (language.next_state q s)
    | None -> None) in
  { target; num_leaf_pairs = Array.length pairs; leaf_pair = table pairs; leaf_successor = successor }
