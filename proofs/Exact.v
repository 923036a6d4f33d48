(** Section 6 of docs/certificates.md: the conditions under which no operation of a step rounds, as a program, and what
    they give for sums in any order. *)

From Coq Require Import ZArith List Bool Arith Lia Reals Permutation.
From Flocq Require Import Core IEEE754.BinarySingleNaN.
From Krohn Require Import Semantics Checker.
Import ListNotations.

Set Implicit Arguments.

Open Scope Z_scope.

(** A finite number in units of 2^-149, the least positive number of binary32. *)
Definition units (x : f32) : Z :=
  match x with
  | B754_finite s m e _ => cond_Zopp s (Zpos m * 2 ^ (e + 149))
  | _ => 0
  end.

Definition one_units : Z := 2 ^ 149.

(** Zero, or between 2^-24 and 2^24 in magnitude. *)
Definition moderate (n : Z) : bool :=
  if Z.eqb n 0 then true else if Z.leb (2 ^ 125) (Z.abs n) then Z.leb (Z.abs n) (2 ^ 173) else false.

Fixpoint total (terms : list Z) : Z := match terms with [] => 0 | t :: terms' => Z.abs t + total terms' end.
Fixpoint parts (terms : list Z) : Z := match terms with [] => 0 | t :: terms' => Z.lor (Z.abs t) (parts terms') end.

(** The terms, in units of 2^-shift, have width at most B, and all their sums are normal numbers. *)
Definition narrow_sums (B shift : Z) (terms : list Z) : bool :=
  let sum := total terms in
  if Z.eqb sum 0 then true
  else
    let p := parts terms in
    let low := Z.land p (- p) in
    let e := Z.log2 low in
    if Z.leb 0 e then
      if Z.eqb low (2 ^ e) then
        if forallb (fun t => Z.eqb (Z.modulo t low) 0) terms then
          if Z.leb (-126) (e - shift) then
            if Z.ltb sum (2 ^ (127 + shift)) then Z.leb sum (low * 2 ^ B) else false
          else false
        else false
      else false
    else false.

Definition needs (B shift : Z) (terms numbers : list Z) : bool :=
  if forallb moderate numbers then narrow_sums B shift terms else false.

(** ** The stages of a step *)

Fixpoint exact_gates (B : Z) (gates h : list f32) : bool :=
  match gates, h with
  | a :: gates', x :: h' =>
      if equal a one then exact_gates B gates' h'
      else if needs B 298 [units a * units x] [units a; units x] then exact_gates B gates' h' else false
  | _, _ => true
  end.

Definition exact_gate (B : Z) (columns : nat) (gates : list f32) (h : hidden) : bool :=
  match gates with
  | [a] => if equal a one then true else exact_gates B (repeat a (length h)) h
  | _ => exact_gates B (flat_map (fun a => repeat a columns) gates) h
  end.

Fixpoint exact_others (B b k : Z) (others : list Z) : bool :=
  match others with
  | [] => true
  | k' :: others' => if narrow_sums B 447 [b * k * k'] then exact_others B b k others' else false
  end.

Fixpoint exact_entries (B b : Z) (products numbers ks column : list Z) : bool :=
  match ks, column with
  | k :: ks', h :: column' =>
      if needs B 596 (Z.shiftl h 447 :: map (Z.mul (b * k)) products) numbers then
        if narrow_sums B 447 [2 ^ 447; b * k * k] then
          if exact_others B b k ks' then exact_entries B b products numbers ks' column' else false
        else false
      else false
  | _, _ => true
  end.

Definition exact_column (B : Z) (columns m : nat) (f : factor) (h : hidden) : bool :=
  let b := units (beta f) in
  let v := units (entry (value f) m) in
  let ks := map (fun e => units (snd e)) (key f) in
  let column := map (fun e => match nth_error h (fst e * columns + m)%nat with Some x => units x | None => 0 end) (key f) in
  exact_entries B b (Z.shiftl v 149 :: map (fun p => fst p * snd p) (combine ks column)) (b :: v :: ks ++ column) ks column.

Fixpoint exact_columns (B : Z) (columns m todo : nat) (f : factor) (h : hidden) : bool :=
  match todo with
  | O => true
  | S todo' =>
      if exact_column B columns m f h then
        match factor_column columns m f h with
        | Some h' => exact_columns B columns (S m) todo' f h'
        | None => false
        end
      else false
  end.

Fixpoint exact_factors (B : Z) (columns : nat) (fs : list factor) (h : hidden) : bool :=
  match fs with
  | [] => true
  | f :: fs' =>
      if if is_zero (beta f) then true else exact_columns B columns 0 columns f h then
        match apply_factor columns f h with
        | Some h' => exact_factors B columns fs' h'
        | None => false
        end
      else false
  end.

Fixpoint exact_write (B : Z) (w : sparse) (h : hidden) : bool :=
  match w with
  | [] => true
  | (i, b) :: w' =>
      match nth_error h i with
      | Some x => if needs B 149 [units x; units b] [units x; units b] then exact_write B w' h else false
      | None => false
      end
  end.

Definition exact_action (B : Z) (columns : nat) (a : action) (h : hidden) : bool :=
  if exact_gate B columns (gate a) h then
    match apply_gate columns (gate a) h with
    | Some h1 =>
        if exact_factors B columns (factors a) h1 then
          match apply_factors columns (factors a) h1 with
          | Some h2 => exact_write B (write a) h2
          | None => false
          end
        else false
    | None => false
    end
  else false.

Definition exact_slot (B : Z) (h : hidden) (s : f32 * sparse) : bool :=
  let ws := map (fun e => units (snd e)) (snd s) in
  let xs := map (fun e => match nth_error h (fst e) with Some x => units x | None => 0 end) (snd s) in
  needs B 298 (Z.shiftl (units (fst s)) 149 :: map (fun p => fst p * snd p) (combine ws xs)) (units (fst s) :: ws ++ xs).

(** Every step and every decode that a table lists meets the conditions. *)
Definition exact_table (B : Z) (l : layer) (t : tables) : bool :=
  if all_below (num_actions t) (fun a => all_below (count t) (fun i =>
       match moves t a i with
       | None => true
       | Some _ =>
           match action_at l a, state t i with
           | Some act, Some h => exact_action B (value_size l) act h
           | _, _ => false
           end
       end))
  then
    all_below (num_readouts t) (fun r => all_below (count t) (fun i =>
      match slots t r i with
      | None => true
      | Some _ =>
          match readout_at l r, state t i with
          | Some ro, Some h => forallb (exact_slot B h) ro
          | _, _ => false
          end
      end))
  else false.

Definition exact_tables (B : Z) (ls : list layer) (ts : list tables) : bool :=
  forallb (fun lt => exact_table B (fst lt) (snd lt)) (combine ls ts).

(** * Sums in any order

    A tree of additions over some of the terms, each rounded to binary32. *)

Inductive sum := Leaf (t : Z) | Plus (a b : sum).

Fixpoint leaves_of (s : sum) : list Z := match s with Leaf t => [t] | Plus a b => leaves_of a ++ leaves_of b end.

(** The exact value. *)
Fixpoint exact_sum (shift : Z) (s : sum) : R :=
  match s with
  | Leaf t => F2R (Float radix2 t (- shift))
  | Plus a b => (exact_sum shift a + exact_sum shift b)%R
  end.

(** The value with every term and every partial sum rounded to a format with p bits (p <= 24 for those of krohn). *)
Fixpoint rounded_sum (shift p : Z) (s : sum) : R :=
  match s with
  | Leaf t => round radix2 (FLT_exp (-149) p) ZnearestE (F2R (Float radix2 t (- shift)))
  | Plus a b => round radix2 (FLT_exp (-149) p) ZnearestE (rounded_sum shift p a + rounded_sum shift p b)
  end.

Fixpoint zsum (s : sum) : Z := match s with Leaf t => t | Plus a b => zsum a + zsum b end.

Lemma exact_zsum shift s : exact_sum shift s = F2R (Float radix2 (zsum s) (- shift)).
Proof.
induction s as [t|a IHa b IHb]; cbn [exact_sum zsum]; [reflexivity|].
rewrite IHa, IHb; unfold F2R; cbn [Fnum Fexp]; rewrite plus_IZR; ring.
Qed.

Lemma total_nonneg l : 0 <= total l.
Proof. induction l; cbn; lia. Qed.

Lemma total_app l l' : total (l ++ l') = total l + total l'.
Proof. induction l; cbn; lia. Qed.

Lemma zsum_total s : Z.abs (zsum s) <= total (leaves_of s).
Proof. induction s; cbn [zsum leaves_of]; [cbn; lia|rewrite total_app; lia]. Qed.

Lemma IZR_pow2 e : 0 <= e -> IZR (2 ^ e) = bpow radix2 e.
Proof. exact (IZR_Zpower radix2 e). Qed.

Lemma multiple_format p e shift n :
  0 < p -> (e - shift >= -149) -> 0 <= e -> Z.abs n <= 2 ^ (e + p) -> (exists k, n = k * 2 ^ e) ->
  generic_format radix2 (FLT_exp (-149) p) (F2R (Float radix2 n (- shift))).
Proof.
intros Hp He H0 Hn [k ->].
assert (E : F2R (Float radix2 (k * 2 ^ e) (- shift)) = F2R (Float radix2 k (e - shift))).
{ unfold F2R; cbn [Fnum Fexp]; rewrite mult_IZR, (IZR_pow2 H0), Rmult_assoc, <- bpow_plus.
  now replace (e + - shift) with (e - shift) by ring. }
rewrite E; clear E.
assert (K : Z.abs k <= 2 ^ p).
{ rewrite Z.abs_mul, (Z.abs_eq (2 ^ e)) in Hn by (apply Z.pow_nonneg; lia).
  rewrite Z.pow_add_r in Hn by lia.
  assert (0 < 2 ^ e) by (apply Z.pow_pos_nonneg; lia). nia. }
destruct (Z_lt_le_dec (Z.abs k) (2 ^ p)) as [L|G].
- apply generic_format_FLT; exists (Float radix2 k (e - shift)); cbn [Fnum Fexp]; [reflexivity|exact L|lia].
- assert (A : Z.abs k = 2 ^ p) by lia.
  destruct (Z.abs_eq_or_opp k) as [S|S].
  + replace k with (2 ^ p) by lia.
    apply generic_format_FLT; exists (Float radix2 1 (p + (e - shift))); cbn [Fnum Fexp]; [| |lia].
    * unfold F2R; cbn [Fnum Fexp]; rewrite (@IZR_pow2 p), <- bpow_plus by lia; ring.
    * change (1 < 2 ^ p); now apply Z.pow_gt_1.
  + replace k with (- 2 ^ p) by lia.
    apply generic_format_FLT; exists (Float radix2 (-1) (p + (e - shift))); cbn [Fnum Fexp]; [| |lia].
    * unfold F2R; cbn [Fnum Fexp]; rewrite opp_IZR, (@IZR_pow2 p) by lia; rewrite bpow_plus; ring.
    * change (1 < 2 ^ p); now apply Z.pow_gt_1.
Qed.

(** If the terms meet the condition, every tree of additions over some of them, each once, with every addition rounded to
    any format that has B bits, gives the exact sum: no rounding occurs, whatever the order. *)
Theorem any_order B shift terms p s :
  narrow_sums B shift terms = true -> 0 <= B <= p -> 0 < p ->
  (exists others, Permutation (leaves_of s ++ others) terms) ->
  rounded_sum shift p s = exact_sum shift s.
Proof.
intros H HB Hp (others & P).
assert (T : total terms = total (leaves_of s) + total others).
{ rewrite <- total_app; clear -P; induction P; cbn; lia. }
assert (Good : exists e, 0 <= e /\ e - shift >= -149 /\ total (leaves_of s) <= 2 ^ (e + p) /\
                         (forall t, In t (leaves_of s) -> exists k, t = k * 2 ^ e)
               \/ total (leaves_of s) = 0).
{ unfold narrow_sums in H; destruct (Z.eqb (total terms) 0) eqn:Z0.
  { exists 0; right; apply Z.eqb_eq in Z0; pose proof (total_nonneg (leaves_of s)); pose proof (total_nonneg others); lia. }
  set (low := Z.land (parts terms) (- parts terms)) in *; set (e := Z.log2 low) in *.
  cond H; cond H; cond H; cond H; cond H.
  apply Z.leb_le in E; apply Z.eqb_eq in E0; apply Z.leb_le in E2; apply Z.leb_le in H.
  exists e; left; split; [exact E|split; [lia|split]].
  - pose proof (total_nonneg others).
    enough (2 ^ e * 2 ^ B <= 2 ^ (e + p)) by (rewrite E0 in H; lia).
    rewrite <- Z.pow_add_r by lia; apply Z.pow_le_mono_r; lia.
  - intros t I; rewrite forallb_forall in E1.
    assert (I' : In t terms) by (apply (Permutation_in _ P), in_or_app; now left).
    specialize (E1 _ I'); apply Z.eqb_eq in E1; rewrite E0 in E1.
    exists (t / 2 ^ e); pose proof (Z.div_mod t (2 ^ e)); assert (2 ^ e <> 0) by (apply Z.pow_nonzero; lia); lia. }
destruct Good as [e [(He & Hs & Ht & Hm)|Z0]].
- clear - He Hs Ht Hm Hp.
  enough (G : rounded_sum shift p s = exact_sum shift s /\ exists k, zsum s = k * 2 ^ e) by apply G.
  induction s as [t|a IHa b IHb]; cbn [leaves_of rounded_sum exact_sum zsum] in *.
  + destruct (Hm t (or_introl eq_refl)) as (k & E); split; [|now exists k].
    apply round_generic; [apply valid_rnd_N|apply multiple_format with e; try assumption; [cbn in Ht; lia|now exists k]].
  + rewrite total_app in Ht; pose proof (total_nonneg (leaves_of a)); pose proof (total_nonneg (leaves_of b)).
    destruct IHa as (Ra & ka & Ka); [lia|intros; apply Hm, in_or_app; now left|].
    destruct IHb as (Rb & kb & Kb); [lia|intros; apply Hm, in_or_app; now right|].
    split; [|exists (ka + kb); rewrite Ka, Kb; ring].
    rewrite Ra, Rb, !exact_zsum.
    assert (E : (F2R (Float radix2 (zsum a) (- shift)) + F2R (Float radix2 (zsum b) (- shift)))%R =
                F2R (Float radix2 (zsum a + zsum b) (- shift))).
    { unfold F2R; cbn [Fnum Fexp]; rewrite plus_IZR; ring. }
    rewrite E; apply round_generic; [apply valid_rnd_N|].
    apply multiple_format with e; try assumption.
    * pose proof (zsum_total a); pose proof (zsum_total b); lia.
    * exists (ka + kb); rewrite Ka, Kb; ring.
- clear - Z0.
  assert (G : rounded_sum shift p s = 0%R /\ zsum s = 0).
  { induction s as [t|a IHa b IHb]; cbn [leaves_of rounded_sum zsum] in *.
    - assert (t = 0) as -> by (cbn in Z0; lia).
      rewrite F2R_0, round_0; [auto|apply valid_rnd_N].
    - rewrite total_app in Z0; pose proof (total_nonneg (leaves_of a)); pose proof (total_nonneg (leaves_of b)).
      destruct IHa as [-> ->]; [lia|]; destruct IHb as [-> ->]; [lia|].
      rewrite Rplus_0_r, round_0; [auto|apply valid_rnd_N]. }
  destruct G as [-> E]; rewrite exact_zsum, E, F2R_0; reflexivity.
Qed.
