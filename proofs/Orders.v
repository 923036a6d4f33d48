(** Docs/certificates.md, 6: where the conditions on widths hold of a stage's terms, every way to compute the stage gives
    the exact value: multiplied out or not, in any order and bracketing, fused or not, each rounded operation in a format
    of its own that has B bits or more. *)

From Coq Require Import ZArith List Bool Lia Reals Lra Permutation.
From Flocq Require Import Core.
From Krohn Require Import Semantics Checker Exact.
Import ListNotations.

Set Implicit Arguments.

Open Scope R_scope.

(** * Ways to compute

    Each operation is rounded to [Some p] bits, or, with [None], it is fused into the operation above it. *)

Inductive expr :=
| Leaf (x : R)
| Opp (a : expr)
| Add (format : option Z) (a b : expr)
| Mul (format : option Z) (a b : expr).

Definition rounded (format : option Z) (x : R) : R :=
  match format with None => x | Some p => round radix2 (FLT_exp (-149) p) ZnearestE x end.

(** What is computed, and what it should be. *)
Fixpoint computed (e : expr) : R :=
  match e with
  | Leaf x => x
  | Opp a => - computed a
  | Add f a b => rounded f (computed a + computed b)
  | Mul f a b => rounded f (computed a * computed b)
  end.

Fixpoint exact (e : expr) : R :=
  match e with
  | Leaf x => x
  | Opp a => - exact a
  | Add _ a b => exact a + exact b
  | Mul _ a b => exact a * exact b
  end.

(** The terms of the expression, all multiplied out. *)
Fixpoint expand (e : expr) : list R :=
  match e with
  | Leaf x => [x]
  | Opp a => map Ropp (expand a)
  | Add _ a b => expand a ++ expand b
  | Mul _ a b => flat_map (fun x => map (Rmult x) (expand b)) (expand a)
  end.

(** The most factors of a term. *)
Fixpoint degree (e : expr) : Z :=
  match e with
  | Leaf _ => 1
  | Opp a => degree a
  | Add _ a b => Z.max (degree a) (degree b)
  | Mul _ a b => degree a + degree b
  end.

Fixpoint leaves (P : R -> Prop) (e : expr) : Prop :=
  match e with
  | Leaf x => P x
  | Opp a => leaves P a
  | Add _ a b | Mul _ a b => leaves P a /\ leaves P b
  end.

Fixpoint formats (P : Z -> Prop) (e : expr) : Prop :=
  match e with
  | Leaf _ => True
  | Opp a => formats P a
  | Add f a b | Mul f a b => match f with Some p => P p | None => True end /\ formats P a /\ formats P b
  end.

(** * Dyadic numbers and widths *)

Definition dyadic (x : R) : Prop := exists n e, x = IZR n * bpow radix2 e.

(** Zero, or at least 2^-24. *)
Definition leaf_ok (x : R) : Prop := dyadic x /\ (x = 0 \/ bpow radix2 (-24) <= Rabs x).

Fixpoint rsum (l : list R) : R := match l with [] => 0 | x :: l' => x + rsum l' end.

(** The terms are multiples of 2^e whose magnitudes add up to at most 2^B 2^e. *)
Definition width (B : Z) (l : list R) : Prop :=
  exists e, Forall (fun x => exists n, x = IZR n * bpow radix2 e) l /\ rsum (map Rabs l) <= bpow radix2 (B + e).

Lemma rsum_app l l' : rsum (l ++ l') = rsum l + rsum l'.
Proof. induction l as [|x l IH]; cbn [rsum app]; [ring|rewrite IH; ring]. Qed.

Lemma rsum_abs_pos l : 0 <= rsum (map Rabs l).
Proof. induction l as [|x l IH]; cbn [rsum map]; [lra|pose proof (Rabs_pos x); lra]. Qed.

Lemma rsum_mult m l : rsum (map (Rmult m) l) = m * rsum l.
Proof. induction l as [|x l IH]; cbn [rsum map]; [ring|rewrite IH; ring]. Qed.

Lemma rsum_opp l : rsum (map Ropp l) = - rsum l.
Proof. induction l as [|x l IH]; cbn [rsum map]; [ring|rewrite IH; ring]. Qed.

Lemma exact_expand e : exact e = rsum (expand e).
Proof.
induction e as [x|a IHa|f a IHa b IHb|f a IHa b IHb]; cbn [exact expand].
- cbn; ring.
- now rewrite rsum_opp, IHa.
- now rewrite rsum_app, IHa, IHb.
- rewrite IHa, IHb; clear; induction (expand a) as [|x l IH]; cbn [flat_map rsum]; [ring|].
  rewrite rsum_app, <- IH, rsum_mult; ring.
Qed.

Lemma rsum_permutation l l' : Permutation l l' -> rsum l = rsum l'.
Proof. induction 1; cbn [rsum]; lra. Qed.

(** Widths go down to parts, whatever their signs. *)
Lemma width_part B l l' others :
  Permutation (map Rabs l ++ others) (map Rabs l') -> width B l' -> width B l.
Proof.
intros P (e & M & S); exists e; split.
- apply Forall_forall; intros x I.
  assert (J : In (Rabs x) (map Rabs l')).
  { apply (Permutation_in _ P), in_or_app; left; now apply in_map. }
  apply in_map_iff in J; destruct J as (y & E & J).
  rewrite Forall_forall in M; destruct (M _ J) as (n & ->).
  unfold Rabs in E; destruct (Rcase_abs (IZR n * bpow radix2 e)), (Rcase_abs x);
    [exists n|exists (- n)%Z|exists (- n)%Z|exists n]; rewrite ?opp_IZR; lra.
- apply Rle_trans with (2 := S); rewrite <- (rsum_permutation P), rsum_app.
  enough (0 <= rsum others) by lra.
  assert (O : Forall (fun x => 0 <= x) others).
  { apply Forall_forall; intros x I.
    assert (J : In x (map Rabs l')) by (apply (Permutation_in _ P), in_or_app; now right).
    apply in_map_iff in J; destruct J as (y & <- & _); apply Rabs_pos. }
  clear -O; induction O; cbn [rsum]; lra.
Qed.

Lemma odd_part n : n <> 0%Z -> exists k u, (0 <= u)%Z /\ n = (k * 2 ^ u)%Z /\ Z.odd k = true.
Proof.
revert n; enough (H : forall b n, (Z.abs n <= Z.of_nat b)%Z -> n <> 0%Z ->
  exists k u, (0 <= u)%Z /\ n = (k * 2 ^ u)%Z /\ Z.odd k = true).
{ intros n; apply (H (Z.abs_nat n)); lia. }
induction b as [|b IH]; intros n L N; [lia|].
destruct (Z.odd n) eqn:O; [exists n, 0%Z; rewrite Z.pow_0_r, Z.mul_1_r; auto with zarith|].
rewrite <- Z.negb_even in O; apply negb_false_iff in O; apply Z.even_spec in O; destruct O as [h ->].
destruct (IH h) as (k & u & U & E & K); [lia|lia|].
exists k, (u + 1)%Z; split; [lia|split; [|exact K]].
rewrite Z.pow_add_r by lia; rewrite E at 1; ring.
Qed.

(** Normal form of a dyadic number other than 0. *)
Lemma dyadic_odd x : dyadic x -> x <> 0 -> exists k u, x = IZR k * bpow radix2 u /\ Z.odd k = true.
Proof.
intros (n & e & ->) N.
destruct (@odd_part n) as (k & u & U & -> & O); [intros ->; apply N; ring|].
exists k, (u + e)%Z; split; [|exact O].
rewrite mult_IZR, IZR_pow2, bpow_plus by exact U; ring.
Qed.

Lemma dyadic_mult x y : dyadic x -> dyadic y -> dyadic (x * y).
Proof.
intros (n & e & ->) (n' & e' & ->); exists (n * n')%Z, (e + e')%Z.
rewrite mult_IZR, bpow_plus; ring.
Qed.

Lemma bpow_le_inv a b : bpow radix2 a <= bpow radix2 b -> (a <= b)%Z.
Proof. apply le_bpow. Qed.

(** If an odd number times 2^u is an integer times 2^e, then u >= e. *)
Lemma odd_multiple k u n e : Z.odd k = true -> IZR k * bpow radix2 u = IZR n * bpow radix2 e -> (e <= u)%Z /\ n = (k * 2 ^ (u - e))%Z.
Proof.
intros O E; destruct (Z_le_gt_dec e u) as [L|G].
- split; [exact L|]; apply eq_IZR; rewrite mult_IZR, IZR_pow2 by lia.
  apply Rmult_eq_reg_r with (bpow radix2 e); [|apply Rgt_not_eq, bpow_gt_0].
  rewrite <- E, Rmult_assoc, <- bpow_plus; do 2 f_equal; lia.
- exfalso.
  assert (K : k = (n * 2 ^ (e - u))%Z).
  { apply eq_IZR; rewrite mult_IZR, IZR_pow2 by lia.
    apply Rmult_eq_reg_r with (bpow radix2 u); [|apply Rgt_not_eq, bpow_gt_0].
    rewrite E, Rmult_assoc, <- bpow_plus; do 2 f_equal; lia. }
  replace (e - u)%Z with (1 + (e - u - 1))%Z in K by ring.
  rewrite Z.pow_add_r in K by lia; rewrite K, Z.pow_1_r, Z.mul_assoc, (Z.mul_comm n 2), <- Z.mul_assoc, Z.odd_mul in O.
  discriminate.
Qed.

(** A multiple of width B has an odd part of at most B bits. *)
Lemma odd_small B m k u n e : m <> 0 -> dyadic m -> Z.odd k = true ->
  m * (IZR k * bpow radix2 u) = IZR n * bpow radix2 e -> (Z.abs n <= 2 ^ B)%Z -> (Z.abs k <= 2 ^ B)%Z.
Proof.
intros N D O E L; destruct (dyadic_odd D N) as (k' & u' & -> & O').
assert (P : IZR (k' * k) * bpow radix2 (u' + u) = IZR n * bpow radix2 e).
{ rewrite <- E, mult_IZR, bpow_plus; ring. }
apply odd_multiple in P; [|now rewrite Z.odd_mul, O, O']; destruct P as [Le ->].
rewrite !Z.abs_mul in L.
assert (1 <= Z.abs k')%Z by (destruct (Z.eq_dec k' 0) as [->|]; [discriminate O'|lia]).
assert (1 <= Z.abs (2 ^ (u' + u - e)))%Z by (assert (0 < 2 ^ (u' + u - e))%Z by (apply Z.pow_pos_nonneg; lia); lia).
revert L H H0; generalize (Z.abs (2 ^ (u' + u - e))) (Z.abs k') (Z.abs_nonneg k) (2 ^ B)%Z; generalize (Z.abs k).
intros a b c A d L; intros; assert (a <= c * a)%Z by nia; assert (c * a <= c * a * b)%Z by nia; lia.
Qed.

Lemma width_bound B l x : width B l -> (0 <= B)%Z -> In x l ->
  exists e n, x = IZR n * bpow radix2 e /\ (Z.abs n <= 2 ^ B)%Z.
Proof.
intros (e & M & S) HB I; rewrite Forall_forall in M; destruct (M _ I) as (n & E).
exists e, n; split; [exact E|].
assert (Rabs x <= bpow radix2 (B + e)).
{ apply Rle_trans with (2 := S); clear -I; induction l as [|y l IH]; [contradiction|]; cbn [map rsum].
  pose proof (rsum_abs_pos l); pose proof (Rabs_pos y); destruct I as [->|I]; [lra|specialize (IH I); lra]. }
rewrite E, Rabs_mult, (Rabs_pos_eq (bpow _ _)) in H by apply bpow_ge_0.
rewrite bpow_plus in H; apply Rmult_le_reg_r in H; [|apply bpow_gt_0].
rewrite <- abs_IZR, <- IZR_pow2 in H by exact HB; now apply le_IZR.
Qed.

(** The sum of terms that are, times a number, of width B. *)
Lemma representable B p m l : (0 <= B <= 24)%Z -> (B <= p)%Z -> (1 <= p)%Z -> m <> 0 -> dyadic m ->
  width B (map (Rmult m) l) -> Forall (fun t => dyadic t /\ (t = 0 \/ bpow radix2 (-96) <= Rabs t)) l ->
  generic_format radix2 (FLT_exp (-149) p) (rsum l).
Proof.
intros HB Hp H1 N D W F.
assert (Each : exists n, rsum l = IZR n * bpow radix2 (-120)).
{ assert (T : forall t, In t l -> exists n, t = IZR n * bpow radix2 (-120)).
  { intros t I; rewrite Forall_forall in F; destruct (F _ I) as (Dt & Z).
    destruct (Req_dec t 0) as [->|Nt]; [exists 0%Z; ring|].
    destruct Z as [Z|Z]; [contradiction|].
    destruct (@width_bound B (map (Rmult m) l) (m * t) W) as (e & n & E & L); [lia|now apply in_map|].
    destruct (dyadic_odd Dt Nt) as (k & u & Et & O).
    rewrite Et in E; pose proof (@odd_small B m k u n e N D O E L) as K.
    assert (U : (-120 <= u)%Z).
    { rewrite Et, Rabs_mult, (Rabs_pos_eq (bpow _ _)), <- abs_IZR in Z by apply bpow_ge_0.
      assert (IZR (Z.abs k) <= bpow radix2 24).
      { rewrite <- IZR_pow2 by lia; apply IZR_le; apply Z.le_trans with (1 := K); apply Z.pow_le_mono_r; lia. }
      assert (bpow radix2 (-96) <= bpow radix2 (24 + u)).
      { rewrite bpow_plus; apply Rle_trans with (1 := Z), Rmult_le_compat_r; [apply bpow_ge_0|exact H]. }
      apply le_bpow in H0; lia. }
    exists (k * 2 ^ (u + 120))%Z; rewrite Et, mult_IZR, IZR_pow2, Rmult_assoc, <- bpow_plus by lia; do 2 f_equal; lia. }
  clear -T; induction l as [|t l IH]; [exists 0%Z; cbn; ring|].
  destruct IH as (n & E); [intros; apply T; now right|].
  destruct (T t (or_introl eq_refl)) as (n' & E'); exists (n' + n)%Z.
  cbn [rsum]; rewrite E, E', plus_IZR; ring. }
destruct Each as (n & En).
destruct (Req_dec (rsum l) 0) as [->|Ns]; [apply generic_format_0|].
destruct (@dyadic_odd (rsum l)) as (k & u & E & O); [now exists n, (-120)%Z|exact Ns|].
assert (Hsum : exists e n', m * rsum l = IZR n' * bpow radix2 e /\ (Z.abs n' <= 2 ^ B)%Z).
{ destruct W as (e & M & S); exists e.
  assert (X : exists n', rsum (map (Rmult m) l) = IZR n' * bpow radix2 e).
  { clear -M; induction M as [|x l' (n & ->) _ (n' & IH)]; [exists 0%Z; cbn; ring|].
    exists (n + n')%Z; cbn [rsum]; rewrite IH, plus_IZR; ring. }
  destruct X as (n' & X); exists n'; rewrite <- rsum_mult; split; [exact X|].
  assert (Rabs (rsum (map (Rmult m) l)) <= rsum (map Rabs (map (Rmult m) l))).
  { clear; induction (map (Rmult m) l) as [|x l' IH]; cbn [rsum map]; [rewrite Rabs_R0; lra|].
    apply Rle_trans with (1 := Rabs_triang _ _); lra. }
  apply Rle_trans with (2 := S) in H.
  rewrite X, Rabs_mult, (Rabs_pos_eq (bpow _ _)), bpow_plus in H by apply bpow_ge_0.
  apply Rmult_le_reg_r in H; [|apply bpow_gt_0].
  rewrite <- abs_IZR, <- IZR_pow2 in H by lia; now apply le_IZR. }
destruct Hsum as (e & n' & E' & L).
rewrite E in E'; pose proof (@odd_small B m k u n' e N D O E' L) as K.
rewrite E in En; apply odd_multiple in En; [|exact O]; destruct En as [U _].
apply generic_format_FLT; exists (Float radix2 k u); cbn [Fnum Fexp]; [exact E| |lia].
assert (K2 : (Z.abs k <= 2 ^ p)%Z) by (apply Z.le_trans with (1 := K), Z.pow_le_mono_r; lia).
destruct (Z.eq_dec (Z.abs k) (2 ^ p)) as [Eq|]; [|change (Z.abs k < 2 ^ p)%Z; lia].
exfalso; assert (Z.odd (Z.abs k) = true) by (destruct (Z.abs_eq_or_opp k) as [->| ->]; rewrite ?Z.odd_opp; exact O).
rewrite Eq in H; replace p with (1 + (p - 1))%Z in H by ring; rewrite Z.pow_add_r, Z.pow_1_r, Z.odd_mul in H by lia.
discriminate.
Qed.

(** * The theorem *)

Lemma expand_terms e : leaves leaf_ok e -> (degree e <= 4)%Z ->
  (1 <= degree e)%Z /\ Forall (fun t => dyadic t /\ (t = 0 \/ bpow radix2 (-24 * degree e) <= Rabs t)) (expand e).
Proof.
assert (weaker : forall a b l, (a <= b)%Z ->
  Forall (fun t => dyadic t /\ (t = 0 \/ bpow radix2 (-24 * a) <= Rabs t)) l ->
  Forall (fun t => dyadic t /\ (t = 0 \/ bpow radix2 (-24 * b) <= Rabs t)) l).
{ intros a b l L; apply Forall_impl; intros t [D [Z|G]]; split; auto; right.
  apply Rle_trans with (2 := G), bpow_le; lia. }
induction e as [x|a IHa|f a IHa b IHb|f a IHa b IHb]; cbn [leaves degree expand]; intros L H.
- destruct L as [D L]; split; [lia|]; constructor; [split; [exact D|exact L]|constructor].
- destruct (IHa L H) as [P F]; split; [exact P|].
  apply Forall_forall; intros t I; apply in_map_iff in I; destruct I as (y & <- & I).
  rewrite Forall_forall in F; destruct (F _ I) as [(n & e & ->) G]; split.
  + exists (- n)%Z, e; rewrite opp_IZR; ring.
  + rewrite Rabs_Ropp; destruct G as [G|G]; [left; rewrite G; ring|now right].
- destruct L as [La Lb]; destruct (IHa La) as [Pa Fa]; [lia|]; destruct (IHb Lb) as [Pb Fb]; [lia|].
  split; [lia|]; apply Forall_app; split; [apply weaker with (2 := Fa)|apply weaker with (2 := Fb)]; lia.
- destruct L as [La Lb].
  assert (Ha : (degree a <= 4 /\ degree b <= 4)%Z).
  { assert (pos : forall e, (1 <= degree e)%Z) by (clear; induction e; cbn; lia).
    pose proof (pos a); pose proof (pos b); lia. }
  destruct (IHa La) as [Pa Fa]; [lia|]; destruct (IHb Lb) as [Pb Fb]; [lia|].
  split; [lia|]; apply Forall_forall; intros t I.
  apply in_flat_map in I; destruct I as (x & Ix & I); apply in_map_iff in I; destruct I as (y & <- & Iy).
  rewrite Forall_forall in Fa, Fb; destruct (Fa _ Ix) as [Dx Gx]; destruct (Fb _ Iy) as [Dy Gy].
  split; [now apply dyadic_mult|].
  destruct Gx as [->|Gx]; [left; ring|]; destruct Gy as [->|Gy]; [left; ring|right].
  rewrite Rabs_mult; replace (-24 * (degree a + degree b))%Z with (-24 * degree a + -24 * degree b)%Z by ring.
  rewrite bpow_plus; apply Rmult_le_compat; try apply bpow_ge_0; assumption.
Qed.

Lemma rounded_0 f : rounded f 0 = 0.
Proof. destruct f as [p|]; [apply round_0, valid_rnd_N|reflexivity]. Qed.

(** Where all terms are 0, so is what is computed. *)
Lemma computed_zero e : Forall (fun t => t = 0) (expand e) -> computed e = 0.
Proof.
induction e as [x|a IHa|f a IHa b IHb|f a IHa b IHb]; cbn [expand computed]; intros F.
- now inversion F.
- rewrite IHa; [ring|]; apply Forall_forall; intros x I; rewrite Forall_forall in F.
  assert (- x = 0) by (apply F, in_map, I); lra.
- apply Forall_app in F; destruct F as [Fa Fb]; rewrite IHa, IHb, Rplus_0_r by assumption; apply rounded_0.
- assert (Z : Forall (fun t => t = 0) (expand a) \/ Forall (fun t => t = 0) (expand b)).
  { destruct (Forall_Exists_dec (fun t => t = 0) (fun t => Req_EM_T t 0) (expand a)) as [A|A]; [now left|right].
    apply Exists_exists in A; destruct A as (x & Ix & Nx).
    apply Forall_forall; intros y Iy; rewrite Forall_forall in F.
    assert (x * y = 0) as P by (apply F, in_flat_map; exists x; split; [exact Ix|now apply in_map]).
    apply Rmult_integral in P; tauto. }
  destruct Z as [Z|Z]; [rewrite (IHa Z), Rmult_0_l|rewrite (IHb Z), Rmult_0_r]; apply rounded_0.
Qed.

Lemma exact_zero e : Forall (fun t => t = 0) (expand e) -> exact e = 0.
Proof.
intros F; rewrite exact_expand; induction F as [|x l -> _ IH]; cbn [rsum]; [reflexivity|rewrite IH; ring].
Qed.

Lemma nonzero_term l : ~ Forall (fun t : R => t = 0) l -> exists t, In t l /\ t <> 0.
Proof.
intros N; destruct (Forall_Exists_dec (fun t => t = 0) (fun t => Req_EM_T t 0) l) as [A|A]; [contradiction|].
now apply Exists_exists in A.
Qed.

Lemma exact_way B e : (0 <= B <= 24)%Z ->
  forall m, m <> 0 -> dyadic m -> width B (map (Rmult m) (expand e)) ->
  leaves leaf_ok e -> (degree e <= 4)%Z -> formats (fun p => (B <= p /\ 1 <= p)%Z) e -> computed e = exact e.
Proof.
intros HB; assert (part : forall l l', (exists others, Permutation (l ++ others) l') -> width B l' -> width B l).
{ intros l l' (others & P); apply width_part with (others := map Rabs others).
  rewrite <- map_app; now apply Permutation_map. }
assert (fits : forall (f : option Z) m l, m <> 0 -> dyadic m -> width B (map (Rmult m) l) ->
  Forall (fun t => dyadic t /\ (t = 0 \/ bpow radix2 (-96) <= Rabs t)) l ->
  match f with Some p => (B <= p /\ 1 <= p)%Z | None => True end -> rounded f (rsum l) = rsum l).
{ intros [p|] m l N D W F P; [|reflexivity].
  apply round_generic; [apply valid_rnd_N|]; apply (@representable B p m l); tauto. }
assert (large : forall e, leaves leaf_ok e -> (degree e <= 4)%Z ->
  Forall (fun t => dyadic t /\ (t = 0 \/ bpow radix2 (-96) <= Rabs t)) (expand e)).
{ intros e' L H; destruct (expand_terms e' L H) as [P F]; revert F; apply Forall_impl.
  intros t [D [Z|G]]; split; auto; right; apply Rle_trans with (2 := G), bpow_le; lia. }
induction e as [x|a IHa|f a IHa b IHb|f a IHa b IHb]; intros m N D W L H P.
- reflexivity.
- cbn [computed exact]; f_equal; apply (IHa m); try assumption.
  apply width_part with (2 := W) (others := []); rewrite app_nil_r; cbn [expand].
  rewrite !map_map; apply Permutation_refl' , map_ext; intros x; rewrite <- Rabs_Ropp; f_equal; ring.
- pose proof (large _ L H) as Fl; pose proof (exact_expand (Add f a b)) as Ex.
  cbn [computed]; cbn [leaves] in L; cbn [degree] in H; cbn [formats] in P.
  rewrite (IHa m), (IHb m); try tauto; try lia.
  + change (rounded f (exact (Add f a b)) = exact (Add f a b)); rewrite Ex; apply (fits f m); tauto.
  + apply part with (2 := W); exists (map (Rmult m) (expand a)); cbn [expand]; rewrite map_app; apply Permutation_app_comm.
  + apply part with (2 := W); exists (map (Rmult m) (expand b)); cbn [expand]; rewrite map_app; apply Permutation_refl.
- pose proof (large _ L H) as Fl; pose proof (exact_expand (Mul f a b)) as Ex.
  cbn [leaves] in L; cbn [degree] in H; cbn [formats] in P.
  assert (pos : forall e, (1 <= degree e)%Z) by (clear; induction e; cbn; lia).
  pose proof (pos a); pose proof (pos b).
  destruct (Forall_Exists_dec (fun t => t = 0) (fun t => Req_EM_T t 0) (expand a)) as [Za|Za].
  { cbn [computed exact]; rewrite (computed_zero _ Za), (exact_zero _ Za), !Rmult_0_l; apply rounded_0. }
  destruct (Forall_Exists_dec (fun t => t = 0) (fun t => Req_EM_T t 0) (expand b)) as [Zb|Zb].
  { cbn [computed exact]; rewrite (computed_zero _ Zb), (exact_zero _ Zb), !Rmult_0_r; apply rounded_0. }
  apply Exists_exists in Za; destruct Za as (x & Ix & Nx); apply Exists_exists in Zb; destruct Zb as (y & Iy & Ny).
  assert (Dx : dyadic x).
  { destruct (expand_terms a) as [_ F]; [tauto|lia|]; rewrite Forall_forall in F; exact (proj1 (F _ Ix)). }
  assert (Dy : dyadic y).
  { destruct (expand_terms b) as [_ F]; [tauto|lia|]; rewrite Forall_forall in F; exact (proj1 (F _ Iy)). }
  assert (Wa : width B (map (Rmult (m * y)) (expand a))).
  { apply part with (2 := W); cbn [expand]; apply in_split in Iy; destruct Iy as (l1 & l2 & ->).
    exists (map (Rmult m) (flat_map (fun x => map (Rmult x) (l1 ++ l2)) (expand a))).
    clear; induction (expand a) as [|z l IH]; cbn [flat_map map app]; [constructor|].
    rewrite !map_app; cbn [map]; rewrite ?map_app.
    replace (m * y * z) with (m * (z * y)) by ring.
    transitivity (m * (z * y) :: ((map (Rmult m) (map (Rmult z) l1) ++ map (Rmult m) (map (Rmult z) l2)) ++
      (map (Rmult (m * y)) l ++ map (Rmult m) (flat_map (fun x => map (Rmult x) (l1 ++ l2)) l)))).
    - constructor; rewrite !app_assoc; apply Permutation_app_tail.
      rewrite <- !app_assoc; rewrite Permutation_app_comm, <- app_assoc; reflexivity.
    - rewrite IH, <- !app_assoc; cbn [app]; rewrite ?map_app; apply Permutation_middle. }
  assert (Wb : width B (map (Rmult (m * x)) (expand b))).
  { apply part with (2 := W); cbn [expand]; apply in_split in Ix; destruct Ix as (l1 & l2 & ->).
    exists (map (Rmult m) (flat_map (fun x => map (Rmult x) (expand b)) (l1 ++ l2))).
    rewrite !flat_map_app; cbn [flat_map]; rewrite !map_app.
    rewrite (map_ext (Rmult (m * x)) (fun t => m * (x * t))) by (intros; ring).
    rewrite <- (map_map (Rmult x) (Rmult m)).
    rewrite !app_assoc; apply Permutation_app_tail; apply Permutation_app_comm. }
  assert (m * y <> 0 /\ m * x <> 0) as [My Mx] by (split; apply Rmult_integral_contrapositive; auto).
  cbn [computed]; rewrite (IHa (m * y)), (IHb (m * x)); try tauto; try lia; try (now apply dyadic_mult).
  change (rounded f (exact (Mul f a b)) = exact (Mul f a b)); rewrite Ex; apply (fits f m); tauto.
Qed.

(** ** From the checker's conditions *)

(** The number that the checker holds as n units of 2^-shift. *)
Definition real (shift n : Z) : R := F2R (Float radix2 n (- shift)).

Lemma narrow_width B shift terms : (0 <= B)%Z ->
  narrow_sums B shift terms = true -> width B (map (real shift) terms).
Proof.
intros HB H.
assert (Tot : forall e l, rsum (map Rabs (map (real e) l)) = IZR (total l) * bpow radix2 (- e)).
{ intros e l; induction l as [|t l IH]; cbn [map rsum total]; [ring|].
  rewrite IH, plus_IZR; unfold real, F2R; cbn [Fnum Fexp].
  rewrite Rabs_mult, (Rabs_pos_eq (bpow _ _)), <- abs_IZR by apply bpow_ge_0; ring. }
unfold narrow_sums in H; destruct (Z.eqb (total terms) 0) eqn:Z0.
- apply Z.eqb_eq in Z0; exists 0%Z; split.
  + apply Forall_forall; intros x I; apply in_map_iff in I; destruct I as (t & <- & I).
    exists 0%Z; assert (t = 0%Z) as ->; [|unfold real; rewrite F2R_0; ring].
    clear -I Z0; induction terms as [|y l IH]; [contradiction|]; cbn [total] in Z0; pose proof (total_nonneg l).
    destruct I as [->|I]; [lia|apply IH; [lia|exact I]].
  + rewrite Tot, Z0, Rmult_0_l; apply bpow_ge_0.
- set (low := Z.land (parts terms) (- parts terms)) in *; set (e := Z.log2 low) in *.
  cond H; cond H; cond H; cond H; cond H.
  apply Z.leb_le in E; apply Z.eqb_eq in E0; apply Z.leb_le in H.
  exists (e - shift)%Z; split.
  + apply Forall_forall; intros x I; apply in_map_iff in I; destruct I as (t & <- & I).
    rewrite forallb_forall in E1; specialize (E1 _ I); apply Z.eqb_eq in E1; rewrite E0 in E1.
    exists (t / 2 ^ e)%Z.
    assert (X : t = (t / 2 ^ e * 2 ^ e)%Z).
    { pose proof (Z.div_mod t (2 ^ e)); assert (2 ^ e <> 0)%Z by (apply Z.pow_nonzero; lia); lia. }
    unfold real, F2R; cbn [Fnum Fexp]; rewrite X at 1; rewrite mult_IZR, IZR_pow2, Rmult_assoc, <- bpow_plus by exact E.
    do 2 f_equal; lia.
  + rewrite Tot; replace (B + (e - shift))%Z with (e + B + - shift)%Z by ring.
    rewrite bpow_plus; apply Rmult_le_compat_r; [apply bpow_ge_0|].
    rewrite <- IZR_pow2 by lia; apply IZR_le; rewrite Z.pow_add_r by lia; rewrite <- E0; exact H.
Qed.

(** One of the numbers that a stage's terms are made from, or 1. *)
Definition number_of (numbers : list Z) (x : R) : Prop := x = 1 \/ exists n, In n numbers /\ x = real 149 n.

(** Let the checker's condition hold of a stage's terms and the numbers that they are made from. Then every way to compute
    the stage is exact: every expression over these numbers whose terms, multiplied out, are those of the stage up to signs
    (or some of them), each rounded operation in a format of B bits or more. *)
Theorem every_way B shift terms numbers e :
  (0 <= B <= 24)%Z -> needs B shift terms numbers = true ->
  leaves (number_of numbers) e -> (degree e <= 4)%Z -> formats (fun p => (B <= p /\ 1 <= p)%Z) e ->
  (exists others, Permutation (map Rabs (expand e) ++ others) (map Rabs (map (real shift) terms))) ->
  computed e = exact e.
Proof.
intros HB H L Dg P (others & Pm); unfold needs in H; cond H.
apply (@exact_way B e HB 1); try assumption; [lra|exists 1%Z, 0%Z; cbn; ring| |].
- rewrite (map_ext (Rmult 1) (fun x => x)), map_id by (intros; ring).
  apply width_part with (1 := Pm), narrow_width; [lia|exact H].
- clear -E L; induction e as [x|a IHa|f a IHa b IHb|f a IHa b IHb]; cbn [leaves] in *; try tauto.
  destruct L as [->|(n & I & ->)]; split.
  + exists 1%Z, 0%Z; cbn; ring.
  + right; rewrite Rabs_R1; change 1 with (bpow radix2 0); apply bpow_le; lia.
  + exists n, (-149)%Z; reflexivity.
  + rewrite forallb_forall in E; specialize (E _ I); unfold moderate in E.
    destruct (Z.eqb n 0) eqn:Z0; [apply Z.eqb_eq in Z0; subst; left; apply F2R_0|right].
    cond E; apply Z.leb_le in E0.
    unfold real, F2R; cbn [Fnum Fexp]; rewrite Rabs_mult, (Rabs_pos_eq (bpow _ _)), <- abs_IZR by apply bpow_ge_0.
    replace (-24)%Z with (125 + -149)%Z by reflexivity; rewrite bpow_plus.
    apply Rmult_le_compat_r; [apply bpow_ge_0|]; rewrite <- IZR_pow2 by lia; now apply IZR_le.
Qed.

(** ** The stages of a step *)

Notation B2R := BinarySingleNaN.B2R.

(** What the checker holds of a number is the number. *)
Lemma units_B2R (x : f32) : real 149 (units x) = B2R x.
Proof.
destruct x as [s|s| |s m e H]; try (unfold real; cbn [units BinarySingleNaN.B2R]; apply F2R_0).
unfold BinarySingleNaN.B2R, units, real.
assert (E : (-149 <= e)%Z).
{ apply andb_prop in H; destruct H as [H _]; apply Zeq_bool_eq in H; unfold SpecFloat.fexp, SpecFloat.emin in H; lia. }
unfold F2R; cbn [Fnum Fexp].
replace (cond_Zopp s (Zpos m * 2 ^ (e + 149)))%Z with (cond_Zopp s (Zpos m) * 2 ^ (e + 149))%Z by (destruct s; cbn [cond_Zopp]; ring).
rewrite mult_IZR, IZR_pow2, Rmult_assoc, <- bpow_plus by lia; do 2 f_equal; lia.
Qed.

Lemma real_mult a b x y : real (a + b) (x * y) = real a x * real b y.
Proof.
unfold real, F2R; cbn [Fnum Fexp]; rewrite mult_IZR, Z.opp_add_distr, bpow_plus; ring.
Qed.

Lemma real_shift a s x : (0 <= s)%Z -> real (a + s) (Z.shiftl x s) = real a x.
Proof.
intros S; unfold real, F2R; cbn [Fnum Fexp]; rewrite Z.shiftl_mul_pow2, mult_IZR, IZR_pow2, Rmult_assoc, <- bpow_plus by exact S.
do 2 f_equal; lia.
Qed.

(** The gate: an element times its gate, unless that is 1. *)
Theorem gate_every_way B (a x : f32) e :
  (0 <= B <= 24)%Z -> needs B 298 [(units a * units x)%Z] [units a; units x] = true ->
  leaves (fun r => r = 1 \/ r = B2R a \/ r = B2R x) e -> (degree e <= 4)%Z -> formats (fun p => (B <= p /\ 1 <= p)%Z) e ->
  Permutation (map Rabs (expand e)) [Rabs (B2R a * B2R x)] -> computed e = exact e.
Proof.
intros HB H L D P Pm; apply (@every_way B 298 _ _ e HB H); try assumption.
- revert L; clear; induction e as [r|e IH|f e1 IH1 e2 IH2|f e1 IH1 e2 IH2]; cbn [leaves]; try tauto.
  rewrite <- !units_B2R; intros [->|[->| ->]]; [now left|right..]; eexists; (split; [|reflexivity]); cbn; auto.
- exists []; rewrite app_nil_r; cbn [map]; rewrite (real_mult 149 149), !units_B2R; exact Pm.
Qed.

(** The write: an element plus what is added to it. *)
Theorem write_every_way B (x b : f32) e :
  (0 <= B <= 24)%Z -> needs B 149 [units x; units b] [units x; units b] = true ->
  leaves (fun r => r = 1 \/ r = B2R x \/ r = B2R b) e -> (degree e <= 4)%Z -> formats (fun p => (B <= p /\ 1 <= p)%Z) e ->
  Permutation (map Rabs (expand e)) [Rabs (B2R x); Rabs (B2R b)] -> computed e = exact e.
Proof.
intros HB H L D P Pm; apply (@every_way B 149 _ _ e HB H); try assumption.
- revert L; clear; induction e as [r|e IH|f e1 IH1 e2 IH2|f e1 IH1 e2 IH2]; cbn [leaves]; try tauto.
  rewrite <- !units_B2R; intros [->|[->| ->]]; [now left|right..]; eexists; (split; [|reflexivity]); cbn; auto.
- exists []; rewrite app_nil_r; cbn [map]; rewrite !units_B2R; exact Pm.
Qed.

Lemma exact_entries_needs B b products numbers ks : forall column,
  exact_entries B b products numbers ks column = true ->
  forall i k h, nth_error ks i = Some k -> nth_error column i = Some h ->
  needs B 596 (Z.shiftl h 447 :: map (Z.mul (b * k)) products) numbers = true.
Proof.
induction ks as [|k0 ks IH]; intros [|h0 column] H [|i] k h K C; cbn [nth_error] in K, C; try discriminate;
  cbn [exact_entries] in H; cond H.
- now injection K as <-; injection C as <-.
- do 2 cond H; exact (IH _ H i k h K C).
Qed.

(** A factor I - beta k k^T with value v, on a column: the entries of the key, and the column where the key meets it. *)
Definition keys (f : factor) : list R := map (fun e => B2R (snd e)) (key f).
Definition met (columns m : nat) (f : factor) (h : hidden) : list R :=
  map (fun e => match nth_error h (fst e * columns + m) with Some x => B2R x | None => 0 end) (key f).

(** Entry i becomes h_i + beta k_i v - the sum of all beta k_i k_j h_j. Every expression over these numbers with these
    terms, up to signs, is exact: the dot product first or the matrix I - beta k k^T first, fused or not, in any order. *)
Theorem factor_every_way B columns m (f : factor) (h : hidden) i k x e :
  (0 <= B <= 24)%Z -> exact_column B columns m f h = true ->
  nth_error (keys f) i = Some k -> nth_error (met columns m f h) i = Some x ->
  leaves (fun r => r = 1 \/ r = B2R (beta f) \/ r = B2R (entry (value f) m) \/ In r (keys f) \/ In r (met columns m f h)) e ->
  (degree e <= 4)%Z -> formats (fun p => (B <= p /\ 1 <= p)%Z) e ->
  Permutation (map Rabs (expand e))
    (map Rabs (x :: (B2R (beta f) * k * B2R (entry (value f) m)) ::
               map (fun p => B2R (beta f) * k * (fst p * snd p)) (combine (keys f) (met columns m f h)))) ->
  computed e = exact e.
Proof.
intros HB H K X L D P Pm; unfold exact_column in H.
set (ks := map (fun e => units (snd e)) (key f)) in *.
set (column := map (fun e => match nth_error h (fst e * columns + m) with Some x => units x | None => 0%Z end) (key f)) in *.
assert (Ek : keys f = map (real 149) ks).
{ unfold keys, ks; rewrite map_map; apply map_ext; intros a; symmetry; apply units_B2R. }
assert (Ec : met columns m f h = map (real 149) column).
{ unfold met, column; rewrite map_map; apply map_ext; intros a.
  destruct (nth_error h (fst a * columns + m)); symmetry; [apply units_B2R|apply F2R_0]. }
rewrite Ek in K, L, Pm; rewrite Ec in X, L, Pm.
rewrite nth_error_map in K, X.
destruct (nth_error ks i) as [zk|] eqn:Zk; [|discriminate]; injection K as <-.
destruct (nth_error column i) as [zx|] eqn:Zx; [|discriminate]; injection X as <-.
pose proof (@exact_entries_needs B _ _ _ ks column H i zk zx Zk Zx) as N.
apply (@every_way B 596 _ _ e HB N); try assumption.
- revert L; clear; induction e as [r|e IH|g e1 IH1 e2 IH2|g e1 IH1 e2 IH2]; cbn [leaves]; try tauto.
  rewrite <- !units_B2R; intros [->|[->|[->|[I|I]]]]; [now left|right..]; try (apply in_map_iff in I; destruct I as (z & <- & I));
    eexists; (split; [|reflexivity]); cbn; rewrite in_app_iff; auto.
- exists []; rewrite app_nil_r.
  replace (map (real 596) (Z.shiftl zx 447 :: map (Z.mul (units (beta f) * zk))
             (Z.shiftl (units (entry (value f) m)) 149 :: map (fun p => (fst p * snd p)%Z) (combine ks column))))
    with (real 149 zx :: (B2R (beta f) * real 149 zk * B2R (entry (value f) m)) ::
          map (fun p => B2R (beta f) * real 149 zk * (fst p * snd p)) (combine (map (real 149) ks) (map (real 149) column)));
    [exact Pm|].
  cbn [map]; f_equal; [symmetry; apply (@real_shift 149 447 zx); lia|].
  rewrite <- !units_B2R; f_equal.
  + rewrite (real_mult 298 298), (real_mult 149 149), (@real_shift 149 149) by lia; reflexivity.
  + clearbody ks column; clear; revert column; induction ks as [|a l IH]; intros [|c column]; cbn [map combine]; try reflexivity.
    cbn [fst snd]; rewrite (real_mult 298 298), !(real_mult 149 149); f_equal; apply IH.
Qed.

(** A score of a readout: the bias and the weighted elements. *)
Theorem score_every_way B (h : hidden) (bias : f32) (weights : sparse) e :
  (0 <= B <= 24)%Z -> exact_slot B h (bias, weights) = true ->
  let ws := map (fun e => B2R (snd e)) weights in
  let xs := map (fun e => match nth_error h (fst e) with Some x => B2R x | None => 0 end) weights in
  leaves (fun r => r = 1 \/ r = B2R bias \/ In r ws \/ In r xs) e ->
  (degree e <= 4)%Z -> formats (fun p => (B <= p /\ 1 <= p)%Z) e ->
  Permutation (map Rabs (expand e)) (map Rabs (B2R bias :: map (fun p => fst p * snd p) (combine ws xs))) ->
  computed e = exact e.
Proof.
intros HB H ws xs L D P Pm; unfold exact_slot in H; cbn [fst snd] in H.
set (zw := map (fun e => units (snd e)) weights) in *.
set (zx := map (fun e => match nth_error h (fst e) with Some x => units x | None => 0%Z end) weights) in *.
assert (Ew : ws = map (real 149) zw).
{ unfold ws, zw; rewrite map_map; apply map_ext; intros a; symmetry; apply units_B2R. }
assert (Ex : xs = map (real 149) zx).
{ unfold xs, zx; rewrite map_map; apply map_ext; intros a.
  destruct (nth_error h (fst a)); symmetry; [apply units_B2R|apply F2R_0]. }
rewrite Ew, Ex in L, Pm; clear Ew Ex ws xs.
apply (@every_way B 298 _ _ e HB H); try assumption.
- revert L; clear; induction e as [r|e IH|g e1 IH1 e2 IH2|g e1 IH1 e2 IH2]; cbn [leaves]; try tauto.
  rewrite <- !units_B2R; intros [->|[->|[I|I]]]; [now left|right..]; try (apply in_map_iff in I; destruct I as (z & <- & I));
    eexists; (split; [|reflexivity]); cbn; rewrite in_app_iff; auto.
- exists []; rewrite app_nil_r.
  replace (map (real 298) (Z.shiftl (units bias) 149 :: map (fun p => (fst p * snd p)%Z) (combine zw zx)))
    with (B2R bias :: map (fun p => fst p * snd p) (combine (map (real 149) zw) (map (real 149) zx))); [exact Pm|].
  cbn [map]; f_equal; [rewrite <- units_B2R; symmetry; apply (@real_shift 149 149 _); lia|].
  clearbody zw zx; clear; revert zx; induction zw as [|a l IH]; intros [|c zx]; cbn [map combine]; try reflexivity.
  cbn [fst snd]; rewrite (real_mult 149 149); f_equal; apply IH.
Qed.
