(* krohn-proved-checker CERTIFICATE MODEL_DIR AUTOMATON.json

   Accepts the certificate's claim only if the functions that Checker.v proves sound answer true for what read.ml has read.
   Exit codes: 0 and one line `s VERIFIED ..`; 1 and the reason on standard error; 2 and `s UNCHECKED ..` for evidence that
   it does not know (reports, horizons, lassos); 64 for wrong usage. This file is trusted. *)
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
  let tables = List.map2 (Find.tables semantics) read.of_layers in
  let exact frozen = match certificate.exact_bits with
    | None -> ()
    | Some bits -> holds "an intermediate value is not exact in so many bits" (exact_tables (Z.of_int bits) model.layers frozen) in
  let length () = match certificate.length with
    | Some n when Z.fits_int n -> Some (Z.to_int n)
    | Some _ -> Some max_int
    | None -> None in
  (match kind with
   | "closure" ->
       let bound = length () in
       let states, evidence = Find.closure certificate read bound in
       let listed = tables states in
       let lts = Option.get (pair_up model.layers (List.map fst listed)) in
       holds "an edge of the closure is wrong" (check_closure_edges eq model claimed lts evidence bound);
       let frozen = List.map snd listed in
       holds "the closure is not proved" (check_closure eq semantics model claimed frozen evidence bound);
       exact frozen
   | "invariant" ->
       let states, hints, tree = Find.invariant certificate read in
       let listed = tables states in
       let hinted = Option.get (pair_up3 model.layers (List.map fst listed) hints) in
       let leaves = Find.leaves model claimed hinted tree in
       let frozen = List.map snd listed in
       holds "the invariant is not proved" (check_invariant eq semantics model claimed frozen hints tree leaves);
       exact frozen
   | "word" ->
       let member = members "evidence" [ "kind"; "expected"; "observed"; "margin_bits"; "symbols"; "state_words" ] certificate.evidence in
       let size name = natural ~bound:(1 lsl 32) name (member name) in
       let word = take certificate (size "symbols") in
       let final = match Find.split_carried read (take certificate (size "state_words")) with
         | None -> Undefined
         | Some parts -> Defined (List.map (fun part -> Find.finite part; List.map number (Array.to_list part)) parts) in
       expect (length () = Some (Array.length word)) "the claim's length is not the word's";
       holds "the word does not refute the model"
         (check_word eq semantics model claimed (Array.to_list word) "?" (text "expected" (member "expected"))
            (text "observed" (member "observed")) (of_bits (Z.of_int (size "margin_bits"))) final)
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
      | Unchecked reason -> Printf.printf "s UNCHECKED %s\n" reason; exit 2
      | Rejected reason -> Printf.eprintf "krohn-proved-checker: rejected: %s\n" reason; exit 1
      | Stack_overflow | Out_of_memory -> prerr_endline "krohn-proved-checker: out of memory"; exit 1)
  | _ -> prerr_endline "usage: krohn-proved-checker CERTIFICATE MODEL_DIR AUTOMATON.json"; exit 64
