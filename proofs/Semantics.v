(** docs/semantics.md as a program, for models of tables: the semantics [fp32-fma-v1], [fp16-state-v1] and
    [bf16-state-v1]. README.md says which sentence of that page is which definition here.

    The numbers are Flocq's: [fma], [add], [sub] and [mul] below are its correctly rounded operations on binary32, with
    round-to-nearest-even and gradual underflow. The only liberty taken is one NaN instead of many; a NaN ends a run. *)

From Coq Require Import ZArith List Bool Arith.
From Flocq Require Import Core IEEE754.BinarySingleNaN IEEE754.Binary IEEE754.Bits.
Import ListNotations.

Set Implicit Arguments.

(** * 1. Numbers *)

Notation f32 := (BinarySingleNaN.binary_float 24 128).

#[global] Instance prec_gt_0 (p : positive) : Prec_gt_0 (Zpos p) := eq_refl.
#[global] Instance lt_fp32 : BinarySingleNaN.Prec_lt_emax 24 128 := eq_refl.
#[global] Instance lt_fp16 : BinarySingleNaN.Prec_lt_emax 11 16 := eq_refl.
#[global] Instance lt_bf16 : BinarySingleNaN.Prec_lt_emax 8 128 := eq_refl.

Definition fma : f32 -> f32 -> f32 -> f32 := BinarySingleNaN.Bfma mode_NE.
Definition add : f32 -> f32 -> f32 := BinarySingleNaN.Bplus mode_NE.
Definition sub : f32 -> f32 -> f32 := BinarySingleNaN.Bminus mode_NE.
Definition mul : f32 -> f32 -> f32 := BinarySingleNaN.Bmult mode_NE.

Definition zero : f32 := BinarySingleNaN.B754_zero false.
Definition infinity : f32 := BinarySingleNaN.B754_infinity false.

(** The number of a pattern of 32 bits. *)
Definition of_bits (bits : Z) : f32 := B2BSN 24 128 (b32_of_bits bits).
Definition one : f32 := of_bits 1065353216.

Definition is_zero (x : f32) : bool := match x with BinarySingleNaN.B754_zero _ => true | _ => false end.

Definition is_finite (x : f32) : bool :=
  match x with BinarySingleNaN.B754_zero _ | BinarySingleNaN.B754_finite _ _ _ _ => true | _ => false end.

Definition equal (x y : f32) : bool :=
  match BinarySingleNaN.Bcompare x y with Some Eq => true | _ => false end.
Definition less (x y : f32) : bool :=
  match BinarySingleNaN.Bcompare x y with Some Lt => true | _ => false end.

(** Rounded to a narrower format, and read as binary32 again (which holds all its numbers). *)
Definition narrow (prec emax : Z) (Hp : Prec_gt_0 prec) (He : BinarySingleNaN.Prec_lt_emax prec emax) (x : f32) : f32 :=
  match x with
  | BinarySingleNaN.B754_finite s m e _ =>
      match BinarySingleNaN.binary_normalize prec emax Hp He mode_NE (cond_Zopp s (Zpos m)) e s with
      | BinarySingleNaN.B754_zero s' => BinarySingleNaN.B754_zero s'
      | BinarySingleNaN.B754_infinity s' => BinarySingleNaN.B754_infinity s'
      | BinarySingleNaN.B754_nan => BinarySingleNaN.B754_nan
      | BinarySingleNaN.B754_finite s' m' e' _ =>
          BinarySingleNaN.binary_normalize 24 128 _ _ mode_NE (cond_Zopp s' (Zpos m')) e' s'
      end
  | _ => x
  end.

Definition round16 : f32 -> f32 := narrow (prec_gt_0 11) lt_fp16.
Definition roundbf16 : f32 -> f32 := narrow (prec_gt_0 8) lt_bf16.

Inductive semantics := Fp32Fma | Fp16State | Bf16State.

Definition round_state (f : semantics) (x : f32) : f32 :=
  match f with Fp32Fma => x | Fp16State => round16 x | Bf16State => roundbf16 x end.

(** [None]: the run ends with an error. *)
Definition store (f : semantics) (x : f32) : option f32 :=
  match round_state f x with
  | BinarySingleNaN.B754_zero _ => Some zero
  | BinarySingleNaN.B754_finite _ _ _ _ as y => Some y
  | _ => None
  end.

(** * Models

    Tables are functions of an index that answer [None] beyond their end. A run that looks there ends with an error; the
    models that files hold never do. *)

Definition hidden := list f32.                (* H[j][m] at j * value_size + m *)
Definition sparse := list (nat * f32).        (* by ascending index *)

Record factor := Factor { beta : f32; key : sparse; value : sparse }.
Record action := Action { gate : list f32; factors : list factor; write : sparse }.
Definition readout := list (f32 * sparse).    (* a slot's bias and weights *)
Record row := Row { row_action : nat; row_readout : nat; row_next : nat }.

Record layer := Layer {
  value_size : nat;
  initial_hidden : hidden;
  reads_before : bool;
  action_at : nat -> option action;
  readout_at : nat -> option readout;
  row_at : nat -> option row;
  next_at : nat -> option (option nat)        (* [Some None]: -1 *)
}.

Record model (Label : Type) := Model {
  symbols : nat;
  symbol_row : nat -> option (option nat);    (* [Some None]: -1 *)
  layers : list layer;
  initial_label : option nat;                 (* [None]: ? *)
  label_name : nat -> option Label
}.

(** * 2. One row on one hidden state *)

Definition bind A B (x : option A) (f : A -> option B) : option B := match x with Some a => f a | None => None end.
Notation "'do' x <- a ; b" := (bind a (fun x => b)) (at level 200, x pattern, a at level 100, b at level 200).

Fixpoint map_option A B (f : A -> option B) (l : list A) : option (list B) :=
  match l with
  | [] => Some []
  | a :: l' => do b <- f a; do r <- map_option f l'; Some (b :: r)
  end.

Fixpoint replace (h : hidden) (i : nat) (x : f32) : option hidden :=
  match h, i with
  | [], _ => None
  | _ :: h', 0 => Some (x :: h')
  | y :: h', S i' => do r <- replace h' i' x; Some (y :: r)
  end.

(** Step 1. *)
Definition gate_element (a x : f32) : f32 :=
  if equal a one then x else if is_zero a then zero else mul a x.

Fixpoint gate_elements (gates : list f32) (h : hidden) : option hidden :=
  match gates, h with
  | [], [] => Some []
  | a :: gates', x :: h' => do r <- gate_elements gates' h'; Some (gate_element a x :: r)
  | _, _ => None
  end.

Definition apply_gate (columns : nat) (gates : list f32) (h : hidden) : option hidden :=
  match gates with
  | [a] => if equal a one then Some h else Some (map (gate_element a) h)
  | _ => gate_elements (flat_map (fun a => repeat a columns) gates) h
  end.

(** Step 2, on column m. *)
Fixpoint dot (columns m : nat) (h : hidden) (k : sparse) (acc : f32) : option f32 :=
  match k with
  | [] => Some acc
  | (j, kj) :: k' => do x <- nth_error h (j * columns + m); dot columns m h k' (fma kj x acc)
  end.

Fixpoint add_multiple (columns m : nat) (c : f32) (k : sparse) (h : hidden) : option hidden :=
  match k with
  | [] => Some h
  | (j, kj) :: k' =>
      do x <- nth_error h (j * columns + m);
      do h' <- replace h (j * columns + m) (fma c kj x);
      add_multiple columns m c k' h'
  end.

Fixpoint entry (v : sparse) (m : nat) : f32 :=
  match v with
  | [] => zero
  | (i, x) :: v' => if Nat.eqb i m then x else entry v' m
  end.

Definition factor_column (columns m : nat) (f : factor) (h : hidden) : option hidden :=
  do acc <- dot columns m h (key f) zero;
  add_multiple columns m (mul (beta f) (sub (entry (value f) m) acc)) (key f) h.

(** Columns do not interact; they are taken from the first to the last. *)
Fixpoint factor_columns (columns m todo : nat) (f : factor) (h : hidden) : option hidden :=
  match todo with
  | 0 => Some h
  | S todo' => do h' <- factor_column columns m f h; factor_columns columns (S m) todo' f h'
  end.

Definition apply_factor (columns : nat) (f : factor) (h : hidden) : option hidden :=
  if is_zero (beta f) then Some h else factor_columns columns 0 columns f h.

Fixpoint apply_factors (columns : nat) (fs : list factor) (h : hidden) : option hidden :=
  match fs with
  | [] => Some h
  | f :: fs' => do h' <- apply_factor columns f h; apply_factors columns fs' h'
  end.

(** Step 3. *)
Fixpoint apply_write (w : sparse) (h : hidden) : option hidden :=
  match w with
  | [] => Some h
  | (i, b) :: w' => do x <- nth_error h i; do h' <- replace h i (add x b); apply_write w' h'
  end.

(** Steps 1 to 4. *)
Definition apply_action (f : semantics) (columns : nat) (a : action) (h : hidden) : option hidden :=
  do h1 <- apply_gate columns (gate a) h;
  do h2 <- apply_factors columns (factors a) h1;
  do h3 <- apply_write (write a) h2;
  map_option (store f) h3.

(** * 3. Decoding a slot *)

Fixpoint score (weights : sparse) (h : hidden) (acc : f32) : option f32 :=
  match weights with
  | [] => if is_finite acc then Some acc else None
  | (e, w) :: weights' => do x <- nth_error h e; score weights' h (fma w x acc)
  end.

(** The best score so far, its slot, and the largest of the others. *)
Fixpoint best_of (scores : list f32) (slot : nat) (at_best : nat) (best : f32) (second : option f32) :
    nat * f32 * option f32 :=
  match scores with
  | [] => (at_best, best, second)
  | s :: scores' =>
      if less best s then best_of scores' (S slot) slot s (Some best)
      else best_of scores' (S slot) at_best best
             (match second with Some x => if less x s then Some s else second | None => Some s end)
  end.

(** The slot, or [None] for a tie, and the margin. *)
Definition decode (r : readout) (h : hidden) : option (option nat * f32) :=
  do scores <- map_option (fun slot => score (snd slot) h (fst slot)) r;
  match scores with
  | [] => None
  | first :: others =>
      match best_of others 1 0 first None with
      | (slot, _, None) => Some (Some slot, infinity)
      | (slot, best, Some second) =>
          if equal best second then Some (None, zero) else Some (Some slot, sub best second)
      end
  end.

(** * 4. A run *)

(** What is carried: the hidden states of the layers, or that the run is undefined. *)
Inductive carried := Defined (hs : list hidden) | Undefined.

(** Behind the layers: an error; poison; or the new hidden states, what the last layer hands on, and the margin. *)
Inductive outcome := Error | Poison | Handed (hs : list hidden) (handed : nat) (margin : f32).

Definition least (x y : f32) : f32 := if less y x then y else x.

(** What follows once a layer has its new state. *)
Definition hand_on (h : hidden) (o : outcome) : outcome :=
  match o with Handed hs r margin => Handed (h :: hs) r margin | _ => o end.

(** Row a of a layer's table applied, and the decode by its readout r. *)
Definition act (f : semantics) (l : layer) (a : nat) (h : hidden) : option hidden :=
  do x <- action_at l a; apply_action f (value_size l) x h.
Definition decode_by (l : layer) (r : nat) (h : hidden) : option (option nat * f32) :=
  do x <- readout_at l r; decode x h.

Fixpoint step_layers (f : semantics) (ls : list layer) (hs : list hidden) (r : option nat) (margin : f32) : outcome :=
  match ls, hs with
  | [], [] => match r with Some label => Handed [] label margin | None => Poison end
  | l :: ls', h :: hs' =>
      match r with
      | None => Poison
      | Some r =>
          match row_at l r with
          | None => Error
          | Some w =>
              if reads_before l then
                match decode_by l (row_readout w) h with
                | None => Error
                | Some (None, _) => Poison
                | Some (Some slot, gap) =>
                    match act f l (row_action w) h, next_at l (row_next w + slot) with
                    | Some h', Some r' => hand_on h' (step_layers f ls' hs' r' (least margin gap))
                    | _, _ => Error
                    end
                end
              else
                match act f l (row_action w) h with
                | None => Error
                | Some h' =>
                    match decode_by l (row_readout w) h' with
                    | None => Error
                    | Some (None, _) => Poison
                    | Some (Some slot, gap) =>
                        match next_at l (row_next w + slot) with
                        | Some r' => hand_on h' (step_layers f ls' hs' r' (least margin gap))
                        | None => Error
                        end
                    end
                end
          end
      end
  | _, _ => Error
  end.

(** A symbol: the carried state, the label ([None]: ?) and the margin; or the run ends with an error. *)
Definition step Label (f : semantics) (m : model Label) (c : carried) (a : nat) : option (carried * option nat * f32) :=
  match c with
  | Undefined => Some (Undefined, None, zero)
  | Defined hs =>
      do r <- symbol_row m a;
      match step_layers f (layers m) hs r infinity with
      | Error => None
      | Poison => Some (Undefined, None, zero)
      | Handed hs' label margin => Some (Defined hs', Some label, margin)
      end
  end.

Definition start Label (f : semantics) (m : model Label) : option (carried * option nat * f32) :=
  do hs <- map_option (fun l => map_option (store f) (initial_hidden l)) (layers m);
  Some (Defined hs, initial_label m, match initial_label m with Some _ => infinity | None => zero end).

Fixpoint run_on Label (f : semantics) (m : model Label) (s : carried * option nat * f32) (w : list nat) :
    option (carried * option nat * f32) :=
  match w with
  | [] => Some s
  | a :: w' => do s' <- step f m (fst (fst s)) a; run_on f m s' w'
  end.

(** The run on a word: what is carried behind it, its label and the label's margin. *)
Definition run Label (f : semantics) (m : model Label) (w : list nat) : option (carried * option nat * f32) :=
  do s <- start f m; run_on f m s w.

(** * Automata, as certificates have them

    Symbols are those of the model. A state's label may be null: nothing is asked for. *)

Record dfa (Label : Type) := Dfa {
  initial_state : nat;
  next_state : nat -> nat -> option nat;        (* state, symbol *)
  state_label : nat -> option (option Label)    (* [Some None]: null *)
}.

Fixpoint state_after Label (a : dfa Label) (q : nat) (w : list nat) : option nat :=
  match w with
  | [] => Some q
  | s :: w' => do q' <- next_state a q s; state_after a q' w'
  end.

(** Is the model's label right for the state: labels are equal if their names are, ? equals none. *)
Definition right Label (m : model Label) (a : dfa Label) (label : option nat) (q : nat) : Prop :=
  exists wanted, state_label a q = Some wanted /\
    forall name, wanted = Some name -> exists i, label = Some i /\ label_name m i = Some name.

(** The model gives the word the label that the automaton gives it. *)
Definition right_on Label (f : semantics) (m : model Label) (a : dfa Label) (w : list nat) : Prop :=
  exists c label margin q,
    run f m w = Some (c, label, margin) /\ state_after a (initial_state a) w = Some q /\ right m a label q.

(** A word over the model's alphabet. *)
Definition word_of Label (m : model Label) (w : list nat) : Prop := Forall (fun s => s < symbols m) w.

(** The claim of PROVED. *)
Definition recognises Label (f : semantics) (m : model Label) (a : dfa Label) : Prop :=
  forall w, word_of m w -> right_on f m a w.

(** * Examples: the operations round as they should *)

Notation bits x := (BinarySingleNaN.B2SF x).

Example fma_rounds_once :
  (* (1 + 2^-12)^2 - 1 - 2^-11 = 2^-24: lost if the product is rounded first. *)
  let x := of_bits 1065355264 in
  let y := of_bits 3212840960 in
  bits (fma x x y) = bits (of_bits 864026624) /\ bits (add (mul x x) y) = bits zero.
Proof. split; vm_compute; reflexivity. Qed.

Example fp16_edge :
  (* 65519 becomes 65504, 65520 an infinity, 2^-25 a zero and the next number 2^-24. *)
  bits (round16 (of_bits 1199566592)) = bits (of_bits 1199562752) /\
  round16 (of_bits 1199566848) = infinity /\
  round16 (of_bits 855638016) = zero /\
  bits (round16 (of_bits 855638017)) = bits (of_bits 864026624).
Proof. repeat split; vm_compute; reflexivity. Qed.

Example bf16_ties :
  (* 1 + 2^-8 is half way and goes to 1, the next number to 1 + 2^-7. *)
  bits (roundbf16 (of_bits 1065385984)) = bits one /\
  bits (roundbf16 (of_bits 1065385985)) = bits (of_bits 1065418752).
Proof. repeat split; vm_compute; reflexivity. Qed.
