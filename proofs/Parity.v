(** Nonnegative diagonal layers of finite precision do not recognise parity: Theorem 1 of Grazzi et al. 2025 for diagonal
    layers and the words of one letter, in step-by-step arithmetic with any monotone roundings.

    An element is updated as h := rs (rp (a h) + b) with a >= 0, where rp and rs are monotone and rs has finitely many
    values. With rp the identity this is one rounding a step, or a fused multiply-add; with rp = rs every operation rounds.
    The layers may hand on anything that is a function of their state and input, and their number is arbitrary. *)

From mathcomp Require Import all_ssreflect all_algebra.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Import GRing.Theory Num.Theory Order.Theory.
Local Open Scope ring_scope.

Section Diagonal.

Variables (rp rs : rat -> rat) (values : seq rat).
Hypothesis rp_monotone : forall u v, u <= v -> rp u <= rp v.
Hypothesis rs_monotone : forall u v, u <= v -> rs u <= rs v.
Hypothesis rs_finite : forall u, rs u \in values.

Record diagonal (X Z : Type) := Diagonal {
  dim : nat;
  gate : X -> 'I_dim -> rat;
  gate_nonneg : forall x i, 0 <= gate x i;
  write : X -> 'I_dim -> rat;
  start : {ffun 'I_dim -> rat};
  hand : {ffun 'I_dim -> rat} -> X -> Z
}.

Arguments gate {X Z} d _ _.
Arguments write {X Z} d _ _.
Arguments gate_nonneg {X Z} d _ _.

Definition element X Z (l : diagonal X Z) (x : X) (i : 'I_(dim l)) (h : rat) : rat :=
  rs (rp (gate l x i * h) + write l x i).

Arguments element {X Z} l _ _ _.

Definition update X Z (l : diagonal X Z) (h : {ffun 'I_(dim l) -> rat}) (x : X) : {ffun 'I_(dim l) -> rat} :=
  [ffun i : 'I_(dim l) => element l x i (h i)].

Inductive net (Y : Type) : Type -> Type :=
| Readout X (f : X -> Y) : net Y X
| Stack X Z (l : diagonal X Z) (above : net Y Z) : net Y X.

Fixpoint hidden Y X (N : net Y X) : Type :=
  match N with Readout _ _ => unit | Stack _ _ l above => ({ffun 'I_(dim l) -> rat} * hidden above)%type end.

Fixpoint initial Y X (N : net Y X) : hidden N :=
  match N with Readout _ _ => tt | Stack _ _ l above => (start l, initial above) end.

Fixpoint net_step Y X (N : net Y X) : hidden N -> X -> hidden N * Y :=
  match N with
  | Readout _ f => fun _ x => (tt, f x)
  | Stack _ _ l above => fun s x =>
      let h := update s.1 x in
      let r := net_step s.2 (hand h x) in
      ((h, r.1), r.2)
  end.

(** States and outputs on the inputs xs 0, xs 1, .. *)
Fixpoint states Y X (N : net Y X) (s : hidden N) (xs : nat -> X) (k : nat) : hidden N :=
  if k is k'.+1 then (net_step (states s xs k') (xs k')).1 else s.

Definition output Y X (N : net Y X) (xs : nat -> X) (k : nat) : Y := (net_step (states (initial N) xs k) (xs k)).2.

Definition eventually_constant T (u : nat -> T) : Prop := exists K, forall k, (K <= k)%N -> u k = u K.

Lemma element_monotone X Z (l : diagonal X Z) x i u v : u <= v -> element l x i u <= element l x i v.
Proof.
move=> uv; apply: rs_monotone.
have m : gate l x i * u <= gate l x i * v.
  by rewrite -subr_ge0 -mulrBr; apply: mulr_ge0; rewrite ?gate_nonneg // subr_ge0.
by rewrite -subr_ge0 opprD addrACA subrr addr0 subr_ge0; apply: rp_monotone.
Qed.

(** The orbit of a monotone map into finitely many values is constant from some step on. *)
Lemma orbit_constant (f : rat -> rat) (u : nat -> rat) :
  (forall a b, a <= b -> f a <= f b) -> (forall a, f a \in values) -> (forall k, u k.+1 = f (u k)) ->
  eventually_constant u.
Proof.
move=> mono fin rec.
have fix_up k : u k.+1 = u k -> eventually_constant u.
  move=> e; exists k => j; elim: j => [|j IH]; first by rewrite leqn0 => /eqP->.
  rewrite leq_eqVlt => /orP[/eqP->//|]; rewrite ltnS => /IH ej.
  by rewrite rec ej -rec e.
have ordered i j : (i <= j)%N -> (u 0%N <= u 1%N -> u i <= u j) /\ (u 1%N <= u 0%N -> u j <= u i).
  have step k : (u 0%N <= u 1%N -> u k <= u k.+1) /\ (u 1%N <= u 0%N -> u k.+1 <= u k).
    elim: k => [//|k [up down]].
    by split=> h; rewrite [u k.+2]rec [u k.+1]rec; apply: mono; rewrite -rec; [apply: up|apply: down].
  elim: j => [|j IH]; first by rewrite leqn0 => /eqP->; split=> _; apply: lexx.
  rewrite leq_eqVlt => /orP[/eqP->|]; first by split=> _; apply: lexx.
  rewrite ltnS => /IH[up down]; have [sup sdown] := step j.
  by split=> h; [apply: le_trans (up h) (sup h)|apply: le_trans (sdown h) (down h)].
pose s := [seq u k.+1 | k <- iota 0 (size values).+1].
have nuniq : ~~ uniq s.
  apply/negP => un; have sub : {subset s <= values} by move=> a /mapP[k _ ->]; rewrite rec fin.
  by have := uniq_leq_size un sub; rewrite size_map size_iota ltnn.
case/(uniqPn 0): nuniq => i [j [ij]]; rewrite size_map size_iota => lj.
rewrite !(nth_map 0%N) ?size_iota ?(ltn_trans ij lj) // !nth_iota ?(ltn_trans ij lj) // !add0n => e.
apply: (fix_up i.+1).
have [up down] := ordered i.+1 i.+2 (leqnSn _); have [up' down'] := ordered i.+2 j.+1 ij.
have /orP[h|h] := le_total (u 0%N) (u 1%N).
  by apply/eqP; rewrite eq_le up // andbT e up'.
by apply/eqP; rewrite eq_le down //= e down'.
Qed.

(** Inputs that are constant from some step on lead to states that are. *)
Lemma states_constant Y X (N : net Y X) : forall (xs : nat -> X) (s : hidden N),
  eventually_constant xs -> eventually_constant (states s xs).
Proof.
elim: N => [{}X f|{}X Z l above IH] xs s [K0 cx].
  by exists 0%N => k _; case: (states s xs k); case: (states s xs 0).
pose h := fix h k := if k is k'.+1 then update (h k') (xs k') else s.1.
pose zs k := hand (h k.+1) (xs k).
have split_state k : states s xs k = (h k, states s.2 zs k).
  elim: k => [|k e]; first by rewrite /= -surjective_pairing.
  by rewrite [LHS]/= e /=.
have ch : eventually_constant h.
  have each i : eventually_constant (fun k => h (K0 + k)%N i).
    apply: (@orbit_constant (element l (xs K0) i)) => [a b|a|k].
    - exact: element_monotone.
    - exact: rs_finite.
    - by rewrite addnS /= ffunE cx ?leq_addr.
  have all_each : exists K, forall i k, (K <= k)%N -> h (K0 + k)%N i = h (K0 + K)%N i.
    have /fin_all_exists[Ks KsP] : forall i, exists K, forall k, (K <= k)%N -> h (K0 + k)%N i = h (K0 + K)%N i by exact: each.
    exists (\max_i Ks i)%N => i k le.
    by rewrite (KsP i k) ?(KsP i (\max_i Ks i)%N) // ?(leq_trans _ le) // (leq_bigmax i).
  have [K KP] := all_each; exists (K0 + K)%N => k le; apply/ffunP => i.
  have le0 : (K0 <= k)%N := leq_trans (leq_addr _ _) le.
  by rewrite -(subnKC le0) KP // leq_subRL.
have [K1 c1] := ch.
have cz : eventually_constant zs.
  exists (K0 + K1)%N => k le; rewrite /zs; congr hand.
    by rewrite (c1 k.+1) ?(c1 (K0 + K1).+1) // ltnW // ltnS ?(leq_trans _ le) // leq_addl.
  by rewrite (cx k) ?(cx (K0 + K1)%N) // ?(leq_trans _ le) // leq_addr.
have [K2 c2] := IH zs s.2 cz.
exists (K1 + K2)%N => k le; rewrite !split_state; congr pair.
  by rewrite (c1 k) ?(c1 (K1 + K2)%N) // ?(leq_trans _ le) // leq_addr.
by rewrite (c2 k) ?(c2 (K1 + K2)%N) // ?(leq_trans _ le) // leq_addl.
Qed.

(** Behind long words of one letter every readout answers the same. *)
Theorem one_letter Y X (N : net Y X) (x : X) : eventually_constant (output N (fun=> x)).
Proof.
have [|K c] := @states_constant Y X N (fun=> x) (initial N); first by exists 0%N.
by exists K => k le; rewrite /output (c k le).
Qed.

(** No such stack answers, behind every word 1 .. 1 of length k + 1, whether k + 1 is odd. *)
Theorem no_parity X (N : net bool X) (x : X) : ~ (forall k, output N (fun=> x) k = odd k.+1).
Proof.
move=> parity; have [K c] := one_letter N x.
by have := c K.+1 (leqnSn _); rewrite !parity /=; case: (odd K).
Qed.

End Diagonal.
