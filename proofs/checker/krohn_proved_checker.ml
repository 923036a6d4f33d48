(* krohn-proved-checker CERTIFICATE MODEL_DIR AUTOMATON.json

   Accepts the certificate's claim only if the functions that Checker.v proves sound answer true for what read.ml has read.
   Exit codes: 0 and one line `s VERIFIED ..`; 1 and the reason on standard error; 20 and `s UNCHECKED ..` for evidence that
   it does not know (reports, horizons) and lassos too long to be replayed; 2 for wrong usage. This file is trusted. *)
module Whole = Z
open Proved
module Z = Whole
open Read

let position names name =
  let rec from i = function [] -> reject "the automaton has another alphabet" | x :: l -> if x = name then i else from (i + 1) l in
  from 0 names

let check certificate read file =
  let { semantics; language; verdict; kind; _ } = certificate in
  let model = read.model and eq = String.equal in
  let holds reason value = expect value reason in
  if kind = "none" then
    raise (Unchecked ("a report without evidence: " ^ match certificate.evidence with
      | Object [ _; ("statement", String s) ] | Object [ ("statement", String s); _ ] -> s | _ -> ""));
  expect (certificate.fingerprint = read.model_fingerprint) "the certificate is of another model";
  (* Symbols by name: the certificate's automaton and the file's. *)
  let theirs = Array.of_list language.alphabet in
  expect (Array.length theirs = List.length read.names && Array.length certificate.symbol_map = Array.length theirs
          && List.length file.alphabet = Array.length theirs) "the symbol map has a wrong size";
  List.iteri (fun s name -> expect (table theirs certificate.symbol_map.(s) = Some name)
                 "the symbol map does not follow the names") read.names;
  let claimed = dfa language certificate.symbol_map in
  let symbols = List.map (position file.alphabet) read.names in
  let own = dfa file (Array.init (List.length file.alphabet) Fun.id) in
  holds "the automaton is of another language"
    (check_language eq model own read.names symbols file.alphabet claimed
       (Find.pairing model.symbols claimed (renamed own symbols)));
  let shows = match kind with "closure" -> [ "PROVED"; "CERTIFIED" ] | "invariant" -> [ "PROVED" ] | "horizon" -> [ "CERTIFIED" ]
    | "word" | "lasso" -> [ "REFUTED" ] | _ -> reject "certificate: unknown evidence" in
  expect (List.mem verdict shows) (kind ^ " shows " ^ String.concat " or " shows ^ " only");
  expect ((certificate.length = None) = (verdict = "PROVED")) "the claim and its length do not fit";
  let tables grow = List.map2 (Find.tables semantics grow) read.of_layers in
  let exact frozen = match certificate.exact_bits with
    | None -> ()
    | Some bits -> holds "an intermediate value is not exact in so many bits" (exact_tables (Z.of_int bits) model.layers frozen) in
  (* A length beyond native integers is checked as if all lengths were claimed. *)
  let length () = match certificate.length with
    | Some n when Z.fits_int n -> Some (Z.to_int n)
    | _ -> None in
  let carried words = match Find.split_carried read words with
    | None -> Undefined
    | Some parts -> Defined (List.map (fun part -> Find.finite part; List.map number (Array.to_list part)) parts) in
  (match kind with
   | "closure" ->
       let bound = length () in
       let states, evidence = Find.closure certificate read bound in
       let listed = tables (bound <> None) states in
       let lts = Option.get (pair_up model.layers (List.map fst listed)) in
       holds "an edge of the closure is wrong" (check_closure_edges eq model claimed lts evidence bound);
       let frozen = List.map (fun (_, freeze) -> freeze ()) listed in
       holds "the closure is not proved" (check_closure eq semantics model claimed frozen evidence bound);
       exact frozen
   | "invariant" ->
       let states, hints, tree = Find.invariant certificate read in
       let listed = tables false states in
       let hinted = Option.get (pair_up3 model.layers (List.map fst listed) hints) in
       let leaves = Find.leaves model claimed hinted tree in
       let frozen = List.map (fun (_, freeze) -> freeze ()) listed in
       holds "the invariant is not proved" (check_invariant eq semantics model claimed frozen hints tree leaves);
       exact frozen
   | "word" ->
       let member = members "evidence" [ "kind"; "expected"; "observed"; "margin_bits"; "symbols"; "state_words" ] certificate.evidence in
       let size name = natural ~bound:(1 lsl 32) name (member name) in
       let word = take certificate (size "symbols") in
       let final = carried (take certificate (size "state_words")) in
       expect (length () = Some (Array.length word)) "the claim's length is not the word's";
       holds "the word does not refute the model"
         (check_word eq semantics model claimed (Array.to_list word) "?" (text "expected" (member "expected"))
            (text "observed" (member "observed")) (of_bits (Z.of_int (size "margin_bits"))) final)
   | "lasso" ->
       let member = members "evidence" [ "kind"; "prefix_a"; "prefix_b"; "loop"; "exponent_a"; "exponent_b"; "suffix"; "expected_a";
         "expected_b"; "observed"; "state_words" ] certificate.evidence in
       let size name = natural ~bound:(1 lsl 32) name (member name) in
       let sizes = List.map size [ "prefix_a"; "prefix_b"; "loop"; "suffix"; "state_words" ] in
       let parts = List.map (fun size -> Array.to_list (take certificate size)) sizes in
       let prefix_a, prefix_b, loop, suffix, final = match parts with [ a; b; c; d; e ] -> (a, b, c, d, e) | _ -> assert false in
       expect (loop <> []) "the loop is empty";
       let exponent name = integer name Z.zero (Z.shift_left Z.one 63) (member name) in
       let exponents = (exponent "exponent_a", exponent "exponent_b") in
       let length prefix exponent = Z.add (Z.of_int (List.length prefix)) (Z.mul exponent (Z.of_int (List.length loop))) in
       let long = (length prefix_a (fst exponents), length prefix_b (snd exponents)) in
       expect (certificate.length = Some (Z.add (Z.max (fst long) (snd long)) (Z.of_int (List.length suffix))))
         "the claim's length is not that of the longer word";
       if Z.gt (Z.add (fst long) (snd long)) (Z.of_int 10_000_000) then
         raise (Unchecked "a lasso of more than 10^7 symbols");
       let word prefix exponent =
         let rec loops n l = if n = 0 then l else loops (n - 1) (List.rev_append (List.rev loop) l) in
         List.rev_append (List.rev prefix) (loops (Z.to_int exponent) []) in
       let label name = text name (member name) in
       holds "the lasso does not refute the model"
         (check_lasso eq semantics model claimed (word prefix_a (fst exponents)) (word prefix_b (snd exponents)) suffix "?"
            (label "expected_a") (label "expected_b") (label "observed") (carried (Array.of_list final)))
   | _ -> raise (Unchecked ("evidence of the kind " ^ kind ^ " is not proved here")));
  finish certificate

let () =
  match Sys.argv with
  | [| _; ("-h" | "--help") |] -> print_endline "usage: krohn-proved-checker CERTIFICATE MODEL_DIR AUTOMATON.json"
  | [| _; certificate; model; automaton |] -> (
      try
        let certificate = read_certificate certificate in
        check certificate (read_model model) (automaton_of_file automaton);
        Printf.printf "s VERIFIED %s: %s\n" certificate.verdict certificate.claim
      with
      | Unchecked reason -> Printf.printf "s UNCHECKED %s\n" reason; exit 20
      | Rejected reason -> Printf.eprintf "krohn-proved-checker: rejected: %s\n" reason; exit 1
      | error -> Printf.eprintf "krohn-proved-checker: %s\n" (Printexc.to_string error); exit 1)
  | _ -> prerr_endline "usage: krohn-proved-checker CERTIFICATE MODEL_DIR AUTOMATON.json"; exit 2
