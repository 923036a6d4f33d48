(** Levels become layers: linear RNNs over the rationals whose state-transition matrices are products of generalized
    Householder factors I - beta k k^T, with unnormalised keys.

    This is the repaired Theorem 4 of Grazzi et al. 2025 (arXiv:2411.12537) with a linear bound: the layer below a cascade's
    level needs the state that the level had BEFORE the letter, but a layer hands on a function of its new state and its
    input; each layer therefore keeps its previous state in a second block, which a reset fills. *)

From mathcomp Require Import all_ssreflect all_fingroup all_algebra.
From Krohn Require Import Depth.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Import GRing.Theory.
Local Open Scope ring_scope.

(** * Generalized Householder factors *)

(** A factor is a pair (beta, k). *)
Notation factor d := (rat * 'cV[rat]_d)%type.

Definition gh d (f : factor d) : 'M[rat]_d := 1%:M - f.1 *: (f.2 *m f.2^T).

(** The matrix of a list of factors, of which the first acts first. *)
Fixpoint ghprod d (fs : seq (factor d)) : 'M[rat]_d := if fs is f :: fs' then ghprod fs' *m gh f else 1%:M.

(** The square of the key's length. *)
Definition square d (k : 'cV[rat]_d) : rat := (k^T *m k) 0 0.

(** All eigenvalues, in whatever field, lie in {-1, 0, 1}. *)
Definition spectrum_in_101 d (M : 'M[rat]_d) : Prop :=
  forall (F : fieldType) (phi : {rmorphism rat -> F}) (a : F), eigenvalue (map_mx phi M) a -> a \in [:: -1; 0; 1].

Definition basis d (i : 'I_d) : 'cV[rat]_d := delta_mx i 0.

(** The only factors that the constructions use: projections along a coordinate, and swaps of two coordinates. *)
Definition projection d (i : 'I_d) : factor d := (1, basis i).
Definition swap d (i j : 'I_d) : factor d := (1, basis i - basis j).

Definition projection_or_swap d (f : factor d) : Prop :=
  (exists i, f = projection i) \/ (exists i j, i != j /\ f = swap i j).
Definition is_swap d (f : factor d) : Prop := exists i j, i != j /\ f = swap i j.

Section Factors.

Variable d : nat.
Implicit Types (i j l : 'I_d) (f : factor d).

Lemma basis_dot i j : (basis i)^T *m basis j = (i == j)%:R%:M :> 'M[rat]_1.
Proof. by rewrite /basis trmx_delta mul_delta_mx_cond; case: eqP => _; apply/matrixP => a b; rewrite !mxE !ord1 ?eqxx. Qed.

Lemma gh_basis f l : gh f *m basis l = basis l - (f.1 * f.2 l 0) *: f.2.
Proof.
rewrite /gh mulmxBl mul1mx -scalemxAl -mulmxA; congr (_ - _).
have -> : f.2^T *m basis l = (f.2 l 0)%:M.
  apply/matrixP => a b; rewrite !mxE (bigD1 l) //= big1 => [|k ne]; rewrite !mxE !ord1 ?eqxx ?mulr1 ?addr0 //.
  by rewrite (negbTE ne) mulr0.
by rewrite mul_mx_scalar scalerA.
Qed.

Lemma gh_projection i l : gh (projection i) *m basis l = if l == i then 0 else basis l.
Proof.
rewrite gh_basis /= mul1r mxE eqxx andbT; case: eqP => [->|_]; first by rewrite scale1r subrr.
by rewrite scale0r subr0.
Qed.

Lemma gh_swap i j l : i != j -> gh (swap i j) *m basis l = basis (tperm i j l).
Proof.
move=> ne; rewrite gh_basis /= mul1r !mxE eqxx !andbT.
case: tpermP => [->|->|/eqP li /eqP lj].
- by rewrite eqxx (negbTE ne) subr0 scale1r opprB addrC subrK.
- by rewrite eq_sym (negbTE ne) eqxx sub0r scaleN1r opprK addrC subrK.
- by rewrite (negbTE li) (negbTE lj) subrr scale0r subr0.
Qed.

(** A factor has the eigenvalues 1 and 1 - beta |k|^2 only. *)
Lemma gh_annihilated f : (gh f - 1%:M) *m (gh f - (1 - f.1 * square f.2)%:M) = 0.
Proof.
case: f => b k; rewrite /gh /=.
set P := k *m k^T.
have PP : P *m P = square k *: P.
  rewrite /P mulmxA -(mulmxA k) [k^T *m k]mx11_scalar -/(square k) mul_mx_scalar.
  by rewrite -scalemxAl.
have -> : 1%:M - b *: P - 1%:M = - (b *: P) by rewrite addrAC subrr add0r.
have -> : 1%:M - b *: P - (1 - b * square k)%:M = (b * square k)%:M - b *: P.
  by rewrite [(1 - _)%:M]raddfB /= opprB addrC addrA subrK.
rewrite mulNmx mulmxBr mul_mx_scalar -scalemxAl -scalemxAr PP !scalerA.
by rewrite [b * square k * b]mulrAC mulrAC -mulrA subrr oppr0.
Qed.

Theorem gh_spectrum f : f.1 * square f.2 \in [:: 0; 1; 2%:R] -> spectrum_in_101 (gh f).
Proof.
move=> adm F phi a /eigenvalueP[v ev nz].
have := congr1 (fun M => v *m map_mx phi M) (gh_annihilated f).
rewrite /= map_mx0 mulmx0 map_mxM [map_mx _ (gh f - 1%:M)]map_mxB [map_mx _ (gh f - _%:M)]map_mxB map_mx1 map_scalar_mx.
set G := map_mx phi (gh f) in ev *.
have -> : v *m ((G - 1%:M) *m (G - (phi (1 - f.1 * square f.2))%:M)) = ((a - 1) * (a - phi (1 - f.1 * square f.2))) *: v.
  by rewrite mulmxA [v *m (_ - _)]mulmxBr ev mulmx1 -{2}[v]scale1r -scalerBl -scalemxAl mulmxBr ev mul_mx_scalar -scalerBl scalerA.
move/eqP; rewrite scaler_eq0 (negbTE nz) orbF mulf_eq0 !subr_eq0 => /orP[/eqP->|/eqP->].
  by rewrite !inE eqxx !orbT.
move: adm; rewrite !inE => /or3P[] /eqP->.
- by rewrite subr0 rmorph1 eqxx !orbT.
- by rewrite subrr rmorph0 eqxx orbT.
- by rewrite -[2%:R]/(1 + 1) opprD addrA subrr sub0r rmorphN1 eqxx.
Qed.

Lemma square_basis i : square (basis i) = 1.
Proof. by rewrite /square basis_dot eqxx mxE eqxx. Qed.

Lemma square_swap i j : i != j -> square (basis i - basis j) = 2%:R.
Proof.
move=> ne; rewrite /square; have -> : (basis i - basis j)^T = (basis i)^T - (basis j)^T by apply/matrixP => a b; rewrite !mxE.
rewrite mulmxBl !mulmxBr !basis_dot !eqxx [j == i]eq_sym (negbTE ne) !mxE eqxx /=.
by rewrite !mulr0n !mulr1n subr0 sub0r opprK.
Qed.

Theorem construction_spectrum f : projection_or_swap f -> spectrum_in_101 (gh f).
Proof.
move=> H; apply: gh_spectrum; case: H => [[i ->]|[i [j [ne ->]]]] /=.
- by rewrite mul1r square_basis !inE eqxx orbT.
- by rewrite mul1r square_swap // !inE eqxx !orbT.
Qed.

Lemma ghprod_cat (fs gs : seq (factor d)) : ghprod (fs ++ gs) = ghprod gs *m ghprod fs.
Proof. by elim: fs => [|f fs IH] /=; rewrite ?mulmx1 // IH mulmxA. Qed.

(** ** Permutations: n - #cycles swaps *)

Definition swap_of (t : 'I_d * 'I_d) : factor d := swap t.1 t.2.

Lemma ghprod_swaps (ts : seq ('I_d * 'I_d)) l :
  all (fun t => t.1 != t.2) ts ->
  ghprod [seq swap_of t | t <- ts] *m basis l = basis ((\prod_(t <- ts) tperm t.1 t.2)%g l).
Proof.
elim: ts l => [|t ts IH] l /=; first by rewrite mul1mx big_nil perm1.
by move=> /andP[ne all_ne]; rewrite -mulmxA gh_swap // IH // big_cons permM.
Qed.

End Factors.

Lemma swaps_exist w (s : 'S_w) :
  exists ts : seq ('I_w * 'I_w),
    [&& all (fun t => t.1 != t.2) ts, (\prod_(t <- ts) tperm t.1 t.2)%g == s & (size ts + #|porbits s| == w)%N].
Proof.
have bound (t : 'S_w) : (#|porbits t| <= w)%N.
  by rewrite -[X in (_ <= X)%N]card_ord; apply: leq_imset_card.
move: {2}(w - #|porbits s|)%N (erefl (w - #|porbits s|)%N) => m.
elim: m s => [|m IH] s em; case: (pickP (fun x => s x != x)) => [x ne|fixed].
- have := porbits_mul_tperm s x (s x).
  have -> : x \in porbit s (s x) by rewrite -eq_porbit_mem; have := porbit_perm s 1 x; rewrite expg1 => ->.
  rewrite /= addn0 eq_sym ne addn1 => e.
  have := bound (tperm x (s x) * s)%g; rewrite e => lt.
  by move: em => /eqP; rewrite subn_eq0 leqNgt lt.
- exists [::] => /=; rewrite big_nil add0n; apply/andP; split.
    by rewrite eq_sym; apply/eqP/permP => x; rewrite perm1; apply/eqP; rewrite -[_ == _]negbK fixed.
  by rewrite eqn_leq bound -subn_eq0 em.
- have := porbits_mul_tperm s x (s x).
  have -> : x \in porbit s (s x) by rewrite -eq_porbit_mem; have := porbit_perm s 1 x; rewrite expg1 => ->.
  rewrite /= addn0 eq_sym ne addn1 => e.
  have [|ts /and3P[nes /eqP prod /eqP sz]] := IH (tperm x (s x) * s)%g; first by rewrite e subnS em.
  exists ((x, s x) :: ts); rewrite /= eq_sym ne nes big_cons prod mulgA tperm2 mul1g eqxx /=.
  by apply/eqP; rewrite addSnnS -e.
- exfalso; have s1 : s = 1%g by apply/permP => x; rewrite perm1; apply/eqP; rewrite -[_ == _]negbK fixed.
  have : (#|porbits s| = w)%N.
    rewrite s1 /porbits card_imset ?card_ord // => a b.
    by move/eqP; rewrite eq_porbit_mem => /porbitP[i]; rewrite expg1n perm1.
  by move=> e; move: em; rewrite e subnn.
Qed.

(** The swaps of a permutation, and that they are n - #cycles. *)
Definition swaps w (s : 'S_w) : seq ('I_w * 'I_w) := xchoose (swaps_exist s).

Lemma swaps_distinct w (s : 'S_w) : all (fun t => t.1 != t.2) (swaps s).
Proof. by case/and3P: (xchooseP (swaps_exist s)). Qed.

Lemma swaps_prod w (s : 'S_w) : (\prod_(t <- swaps s) tperm t.1 t.2)%g = s.
Proof. by case/and3P: (xchooseP (swaps_exist s)) => _ /eqP. Qed.

Theorem size_swaps w (s : 'S_w) : size (swaps s) = (w - #|porbits s|)%N.
Proof. by case/and3P: (xchooseP (swaps_exist s)) => _ _ /eqP e; rewrite -[LHS](addnK #|porbits s|) e. Qed.

(** The matrix of a permutation's swaps sends the basis vector of l to that of s l. *)
Theorem ghprod_permutation d (s : 'S_d) l :
  ghprod [seq swap_of t | t <- swaps s] *m basis l = basis (s l).
Proof. by rewrite ghprod_swaps ?swaps_distinct // swaps_prod. Qed.

(** * Linear RNNs

    A layer reads an input x: h := A(x) h + b(x) with A(x) the product of its factors; it hands on a function of its state
    and its input: of its new state, or, in networks that read before the update, of its old one. The stack ends in a
    function of what the last layer hands on. *)

Record layer (X Z : Type) := Layer {
  dim : nat;
  factors : X -> seq (factor dim);
  bias : X -> 'cV[rat]_dim;
  hidden0 : 'cV[rat]_dim;
  hand : 'cV[rat]_dim -> X -> Z
}.

Definition update X Z (l : layer X Z) (h : 'cV[rat]_(dim l)) (x : X) : 'cV[rat]_(dim l) :=
  ghprod (factors l x) *m h + bias l x.

Inductive net (Y : Type) : Type -> Type :=
| Readout X (f : X -> Y) : net Y X
| Stack X Z (l : layer X Z) (above : net Y Z) : net Y X.

(** The dimensions of the layers; there are as many layers as this list is long. *)
Fixpoint dims Y X (N : net Y X) : seq nat :=
  match N with Readout _ _ => [::] | Stack _ _ l above => dim l :: dims above end.

(** The hidden states of all layers. *)
Fixpoint hidden Y X (N : net Y X) : Type :=
  match N with Readout _ _ => unit | Stack _ _ l above => ('cV[rat]_(dim l) * hidden above)%type end.

Fixpoint initial Y X (N : net Y X) : hidden N :=
  match N with Readout _ _ => tt | Stack _ _ l above => (hidden0 l, initial above) end.

Section Runs.

(** Do the layers read before the update? *)
Variable reads_before : bool.

(** One input: the new hidden states and the output. *)
Fixpoint net_step Y X (N : net Y X) : hidden N -> X -> hidden N * Y :=
  match N with
  | Readout _ f => fun _ x => (tt, f x)
  | Stack _ _ l above => fun s x =>
      let h := update s.1 x in
      let r := net_step s.2 (hand (if reads_before then s.1 else h) x) in
      ((h, r.1), r.2)
  end.

Definition net_run Y X (N : net Y X) (w : seq X) : hidden N := foldl (fun s x => (net_step s x).1) (initial N) w.

(** The output behind a word is the one of its last letter; the empty word has an answer of its own, [empty]. *)
Definition net_accepts X (N : net bool X) (empty : bool) (w : seq X) : bool :=
  if w is x :: w' then (net_step (net_run N (belast x w')) (last x w')).2 else empty.

(** Words reach finitely many hidden states: a list holds them all. *)
Definition finitely_many Y X (N : net Y X) : Prop := exists S : seq (hidden N), forall w, List.In (net_run N w) S.

End Runs.

(** A property of all factors of all layers for all inputs. *)
Fixpoint all_factors (P : forall d, factor d -> Prop) Y X (N : net Y X) : Prop :=
  match N with
  | Readout _ _ => True
  | Stack _ _ l above => (forall x f, f \in factors l x -> P _ f) /\ all_factors P above
  end.

(** No input of a layer has more factors than its dimension. *)
Fixpoint few_factors Y X (N : net Y X) : Prop :=
  match N with
  | Readout _ _ => True
  | Stack _ _ l above => (forall x, (size (factors l x) <= dim l)%N) /\ few_factors above
  end.

(** Over a finite alphabet every layer hands on values of a finite type. *)
Definition finite (T : Type) : Prop := exists s : seq T, forall t, List.In t s.
Fixpoint finite_hands Y X (N : net Y X) : Prop :=
  match N with
  | Readout _ _ => True
  | Stack X' Z _ above => (finite X' -> finite Z) /\ finite_hands above
  end.

(** * A level as a layer, with its previous state beside it *)

Section Level.

Variables (X : Type) (w : nat) (act : X -> 'I_w -> 'I_w).
Hypothesis ok : forall x, permutation_or_reset (act x).

(** The state c beside the previous state p. *)
Definition block (c p : 'I_w) : 'cV[rat]_(w + w) := basis (lshift w c) + basis (rshift w p).

Definition permutes (x : X) : bool := injectiveb (act x).

(** The permutation of a letter that permutes. *)
Definition permutation (x : X) : 'S_w := if @idP (permutes x) is ReflectT i then perm (injectiveP _ i) else 1%g.

Lemma permutationE x c : permutes x -> permutation x c = act x c.
Proof. by rewrite /permutation; case: {-}_ / idP => // i _; rewrite permE. Qed.

Definition current_swaps (x : X) : seq (factor (w + w)) :=
  [seq swap (lshift w t.1) (lshift w t.2) | t <- swaps (permutation x)].

(** A reset: the previous states are projected away, then the blocks change places; the new state is added. *)
Definition forget : seq (factor (w + w)) := [seq projection (rshift w i) | i <- enum 'I_w].
Definition exchange : seq (factor (w + w)) := [seq swap (lshift w i) (rshift w i) | i <- enum 'I_w].

Definition level_factors (x : X) : seq (factor (w + w)) := if permutes x then current_swaps x else forget ++ exchange.
Definition level_bias (c0 : 'I_w) (x : X) : 'cV[rat]_(w + w) := if permutes x then 0 else basis (lshift w (act x c0)).

Definition index_of (f : 'I_w -> 'I_(w + w)) (c0 : 'I_w) (h : 'cV[rat]_(w + w)) : 'I_w :=
  odflt c0 [pick i | h (f i) 0 == 1].

(** The state before the input, from the state behind it. *)
Definition before (c0 : 'I_w) (h : 'cV[rat]_(w + w)) (x : X) : 'I_w :=
  if permutes x then ((permutation x)^-1)%g (index_of (@lshift w w) c0 h) else index_of (@rshift w w) c0 h.

Definition level_layer (c0 : 'I_w) : layer X (X * 'I_w) :=
  {| dim := w + w; factors := level_factors; bias := level_bias c0; hidden0 := block c0 c0;
     hand := fun h x => (x, before c0 h x) |}.

Lemma basisE d (i j : 'I_d) : basis i j 0 = (j == i)%:R.
Proof. by rewrite mxE eqxx andbT. Qed.

Lemma index_lshift c0 c p : index_of (@lshift w w) c0 (block c p) = c.
Proof.
rewrite /index_of; case: pickP => [i|/(_ c)]; rewrite mxE !basisE ?eq_lrshift addr0.
  by rewrite (inj_eq (@lshift_inj _ _)); case: (i =P c) => // _; rewrite eq_sym oner_eq0.
by rewrite !eqxx.
Qed.

Lemma index_rshift c0 c p : index_of (@rshift w w) c0 (block c p) = p.
Proof.
rewrite /index_of; case: pickP => [i|/(_ p)]; rewrite mxE !basisE ?eq_rlshift add0r.
  by rewrite (inj_eq (@rshift_inj _ _)); case: (i =P p) => // _; rewrite eq_sym oner_eq0.
by rewrite !eqxx.
Qed.

Lemma current_swaps_act x c : ghprod (current_swaps x) *m basis (lshift w c) = basis (lshift w (permutation x c)).
Proof.
rewrite /current_swaps -{2}[permutation x]swaps_prod.
elim: (swaps _) (swaps_distinct (permutation x)) c => [|t ts IH] /= d c; first by rewrite mul1mx big_nil perm1.
case/andP: d => ne d; rewrite -mulmxA gh_swap ?(inj_eq (@lshift_inj _ _)) //.
by rewrite -(inj_tperm _ _ _ (@lshift_inj w w)) IH // big_cons permM.
Qed.

Lemma current_swaps_keep x p : ghprod (current_swaps x) *m basis (rshift w p) = basis (rshift w p).
Proof.
rewrite /current_swaps.
elim: (swaps _) (swaps_distinct (permutation x)) => [|t ts IH] /= d; first by rewrite mul1mx.
case/andP: d => ne d; rewrite -mulmxA gh_swap ?(inj_eq (@lshift_inj _ _)) // tpermD ?eq_lrshift //.
exact: IH.
Qed.

Lemma forget_keep (s : seq 'I_w) c : ghprod [seq projection (rshift w i) | i <- s] *m basis (lshift w c) = basis (lshift w c).
Proof. by elim: s => [|i s IH] /=; rewrite ?mul1mx // -mulmxA gh_projection eq_lrshift. Qed.

Lemma forget_act (s : seq 'I_w) p :
  ghprod [seq projection (rshift w i) | i <- s] *m basis (rshift w p) = if p \in s then 0 else basis (rshift w p).
Proof.
elim: s => [|i s IH] /=; first by rewrite mul1mx.
rewrite -mulmxA gh_projection (inj_eq (@rshift_inj _ _)) inE; case: eqP => _ /=; first by rewrite mulmx0.
exact: IH.
Qed.

Lemma exchange_act (s : seq 'I_w) c : uniq s ->
  ghprod [seq swap (lshift w i) (rshift w i) | i <- s] *m basis (lshift w c) =
  if c \in s then basis (rshift w c) else basis (lshift w c).
Proof.
have stay i j (s' : seq 'I_w) : i \notin s' -> j \in [:: lshift w i; rshift w i] ->
    ghprod [seq swap (lshift w i) (rshift w i) | i <- s'] *m basis j = basis j.
  elim: s' => [|k s' IH] /=; first by rewrite mul1mx.
  rewrite inE negb_or => /andP[ne out] jn; rewrite -mulmxA gh_swap ?eq_lrshift // tpermD ?IH //.
    by move: jn; rewrite !inE => /orP[] /eqP->; rewrite ?eq_lrshift // (inj_eq (@lshift_inj _ _)) eq_sym.
  by move: jn; rewrite !inE => /orP[] /eqP->; rewrite ?eq_rlshift // (inj_eq (@rshift_inj _ _)) eq_sym.
elim: s => [|i s IH] /=; first by rewrite mul1mx.
case/andP=> out u; rewrite -mulmxA gh_swap ?eq_lrshift // inE.
case: (eqVneq c i) => [->|ne] /=; first by rewrite tpermL (stay i) // !inE eqxx orbT.
by rewrite tpermD ?IH // ?eq_rlshift // (inj_eq (@lshift_inj _ _)) eq_sym.
Qed.

Lemma level_update c0 c p x :
  exists p', update (l := level_layer c0) (block c p) x = block (act x c) p' /\
    before c0 (block (act x c) p') x = c.
Proof.
rewrite /update /= /level_factors /level_bias /before; case: ifPn => [perm|/negP notp].
  exists p; rewrite addr0 mulmxDr current_swaps_act current_swaps_keep permutationE //; split=> //.
  by rewrite index_lshift -permutationE // permK.
exists c; split; last by rewrite index_rshift.
rewrite ghprod_cat mulmxDr -!mulmxA forget_keep forget_act mem_enum mulmx0 addr0.
rewrite exchange_act ?enum_uniq // mem_enum addrC; congr (basis _ + _).
have [inj|[r const]] := ok x; first by case: notp; apply/injectiveP.
by rewrite !const.
Qed.

Lemma level_projection_or_swap x f : f \in level_factors x -> projection_or_swap f.
Proof.
rewrite /level_factors; case: ifP => _.
  move=> /mapP[t tin ->]; right; exists (lshift w t.1), (lshift w t.2); split=> //.
  by rewrite (inj_eq (@lshift_inj _ _)); move/allP: (swaps_distinct (permutation x)); apply.
rewrite mem_cat => /orP[] /mapP[i _ ->]; first by left; exists (rshift w i).
by right; exists (lshift w i), (rshift w i); rewrite eq_lrshift.
Qed.

Lemma level_few x : (size (level_factors x) <= w + w)%N.
Proof.
have sz (T : Type) (g : 'I_w -> T) : size (map g (enum 'I_w)) = w by rewrite size_map size_enum_ord.
rewrite /level_factors; case: ifP => _; last by rewrite size_cat !sz.
by rewrite size_map size_swaps; apply: leq_trans (leq_subr _ _) (leq_addr _ _).
Qed.

End Level.

(** * The other treatment of the delay: layers that read before the update

    No previous state is kept: a level of w states takes w dimensions, a reset is w projections and a write. *)

Section ReadBefore.

Variables (X : Type) (w : nat) (act : X -> 'I_w -> 'I_w).
Hypothesis ok : forall x, permutation_or_reset (act x).

Definition narrow_factors (x : X) : seq (factor w) :=
  if permutes act x then [seq swap_of t | t <- swaps (permutation act x)] else [seq projection i | i <- enum 'I_w].
Definition narrow_bias (c0 : 'I_w) (x : X) : 'cV[rat]_w := if permutes act x then 0 else basis (act x c0).
Definition position (c0 : 'I_w) (h : 'cV[rat]_w) : 'I_w := odflt c0 [pick i | h i 0 == 1].

Definition narrow_layer (c0 : 'I_w) : layer X (X * 'I_w) :=
  {| dim := w; factors := narrow_factors; bias := narrow_bias c0; hidden0 := basis c0;
     hand := fun h x => (x, position c0 h) |}.

Lemma position_basis c0 c : position c0 (basis c) = c.
Proof.
rewrite /position; case: pickP => [i|/(_ c)]; rewrite basisE; last by rewrite !eqxx.
by case: (i =P c) => // _; rewrite eq_sym oner_eq0.
Qed.

Lemma project_all (s : seq 'I_w) c :
  ghprod [seq projection i | i <- s] *m basis c = if c \in s then 0 else basis c.
Proof.
elim: s => [|i s IH] /=; first by rewrite mul1mx.
by rewrite -mulmxA gh_projection inE; case: eqP => _ /=; [rewrite mulmx0|exact: IH].
Qed.

Lemma narrow_update c0 c x : update (l := narrow_layer c0) (basis c) x = basis (act x c).
Proof.
rewrite /update /= /narrow_factors /narrow_bias; case: ifPn => [perm|/negP notp].
  by rewrite addr0 ghprod_permutation permutationE.
rewrite project_all mem_enum add0r; congr basis.
have [inj|[r const]] := ok x; first by case: notp; apply/injectiveP.
by rewrite !const.
Qed.

Lemma narrow_projection_or_swap x f : f \in narrow_factors x -> projection_or_swap f.
Proof.
rewrite /narrow_factors; case: ifP => _ /mapP[t tin ->]; last by left; exists t.
by right; exists t.1, t.2; split=> //; move/allP: (swaps_distinct (permutation act x)); apply.
Qed.

Lemma narrow_few x : (size (narrow_factors x) <= w)%N.
Proof.
have sz (T : Type) (g : 'I_w -> T) : size (map g (enum 'I_w)) = w by rewrite size_map size_enum_ord.
by rewrite /narrow_factors; case: ifP => _; rewrite ?sz // size_map size_swaps leq_subr.
Qed.

End ReadBefore.

(** * A cascade as a stack of layers *)

(** The inputs of the cascade below: each letter with the state before it. *)
Fixpoint annotate X w (act : X -> 'I_w -> 'I_w) (c : 'I_w) (v : seq X) : seq (X * 'I_w) :=
  if v is x :: v' then (x, c) :: annotate act (act x c) v' else [::].

Theorem cascade_net X (K : cascade X) : forall Y (out : coordinates K -> X -> Y) (s0 : coordinates K),
  exists N : net Y X,
    [/\ dims N = [seq (w + w)%N | w <- widths K],
        all_factors projection_or_swap N,
        few_factors N,
        finite_hands N /\ finitely_many false N &
        forall v x, (net_step false (net_run false N v) x).2 = out (cascade_run s0 v) x].
Proof.
elim: K => [{}X|{}X w act ok below IH] Y out s0.
  exists (Readout (out tt)); split=> //; last by case: s0 => v x /=; case: (cascade_run _ v).
  by split=> //; exists [:: tt] => v; left; case: (net_run _ _ v).
case: s0 => c0 s0.
have [N [dimsN gh few [hands [S fin]] outN]] := IH Y (fun s xc => out (xc.2, s) xc.1) s0.
pose M := Stack (level_layer act c0) N.
(* From a block (c | p) the stack runs like the cascade from c. *)
have sim v : forall c p h, exists p',
    foldl (fun s x => (net_step false (N := M) s x).1) (block c p, h) v =
    (block (foldl (fun d x => act x d) c v) p', foldl (fun s x => (net_step false s x).1) h (annotate act c v)).
  elim: v => [|x v sim] c p h; first by exists p.
  have [p1 [up bef]] := level_update ok c0 c p x.
  have [p2 e] := sim (act x c) p1 (net_step false h (x, c)).1.
  by exists p2; rewrite -e /= up bef.
have casc v : forall c s, cascade_run (K := Level ok below) (c, s) v =
    (foldl (fun d x => act x d) c v, cascade_run s (annotate act c v)).
  by elim: v => [//|x v sim'] c s; exact: sim'.
have inl (T : eqType) (x : T) s : x \in s -> List.In x s.
  by elim: s => [//|y s IHs]; rewrite inE => /orP[/eqP->|/IHs]; [left|right].
exists M; split.
- by rewrite /= dimsN.
- by split=> // x f; apply: level_projection_or_swap.
- by split=> // x; apply: level_few.
- split.
    split=> // -[xs all_xs]; exists (List.flat_map (fun x => List.map (pair x) (enum 'I_w)) xs) => -[x c].
    apply/List.in_flat_map; exists x; split=> //; apply/List.in_map_iff; exists c; split=> //.
    by apply: inl; rewrite mem_enum.
  exists (List.flat_map (fun c => List.flat_map (fun p => List.map (fun h => (block c p, h)) S) (enum 'I_w)) (enum 'I_w)) => v.
  have [p' e] := sim v c0 c0 (initial N).
  apply/List.in_flat_map; exists (foldl (fun d x => act x d) c0 v); split; first by apply: inl; rewrite mem_enum.
  apply/List.in_flat_map; exists p'; split; first by apply: inl; rewrite mem_enum.
  by apply/List.in_map_iff; eexists; split; [rewrite /net_run /= e; reflexivity|exact: fin].
- move=> v x; have [p' e] := sim v c0 c0 (initial N).
  have [p1 [up bef]] := level_update ok c0 (foldl (fun d x => act x d) c0 v) p' x.
  rewrite {1}/net_run /= e /= up bef.
  have := outN (annotate act c0 v) (x, foldl (fun d x => act x d) c0 v).
  by rewrite casc /net_run => ->.
Qed.

(** The same with layers that read before the update: as many dimensions as the cascade has states. *)
Theorem cascade_net_before X (K : cascade X) : forall Y (out : coordinates K -> X -> Y) (s0 : coordinates K),
  exists N : net Y X,
    [/\ dims N = widths K,
        all_factors projection_or_swap N,
        few_factors N,
        finite_hands N /\ finitely_many true N &
        forall v x, (net_step true (net_run true N v) x).2 = out (cascade_run s0 v) x].
Proof.
elim: K => [{}X|{}X w act ok below IH] Y out s0.
  exists (Readout (out tt)); split=> //; last by case: s0 => v x /=; case: (cascade_run _ v).
  by split=> //; exists [:: tt] => v; left; case: (net_run _ _ v).
case: s0 => c0 s0.
have [N [dimsN gh few [hands [S fin]] outN]] := IH Y (fun s xc => out (xc.2, s) xc.1) s0.
pose M := Stack (narrow_layer act c0) N.
have sim v : forall (c : 'I_w) h, foldl (fun s x => (net_step true (N := M) s x).1) (basis c, h) v =
    (basis (foldl (fun d x => act x d) c v), foldl (fun s x => (net_step true s x).1) h (annotate act c v)).
  elim: v => [//|x v sim] c h.
  by rewrite [LHS]/= (narrow_update ok) position_basis sim.
have casc v : forall c s, cascade_run (K := Level ok below) (c, s) v =
    (foldl (fun d x => act x d) c v, cascade_run s (annotate act c v)).
  by elim: v => [//|x v sim'] c s; exact: sim'.
have inl (T : eqType) (x : T) s : x \in s -> List.In x s.
  by elim: s => [//|y s IHs]; rewrite inE => /orP[/eqP->|/IHs]; [left|right].
exists M; split.
- by rewrite /= dimsN.
- by split=> // x f; apply: narrow_projection_or_swap.
- by split=> // x; apply: narrow_few.
- split.
    split=> // -[xs all_xs]; exists (List.flat_map (fun x => List.map (pair x) (enum 'I_w)) xs) => -[x c].
    apply/List.in_flat_map; exists x; split=> //; apply/List.in_map_iff; exists c; split=> //.
    by apply: inl; rewrite mem_enum.
  exists (List.flat_map (fun c => List.map (fun h => (basis c, h)) S) (enum 'I_w)) => v.
  apply/List.in_flat_map; exists (foldl (fun d x => act x d) c0 v); split; first by apply: inl; rewrite mem_enum.
  by apply/List.in_map_iff; eexists; split; [rewrite /net_run /= sim; reflexivity|exact: fin].
- move=> v x; rewrite {1}/net_run /= sim /= position_basis.
  have := outN (annotate act c0 v) (x, foldl (fun d x => act x d) c0 v).
  by rewrite casc /net_run => ->.
Qed.

(** * The theorems *)

Lemma all_factors_imply (P R : forall d, factor d -> Prop) Y X (N : net Y X) :
  (forall d f, P d f -> R d f) -> all_factors P N -> all_factors R N.
Proof. by move=> H; elim: N => [//|{}X Z l above IH] /= [p /IH q]; split=> // x f /p/H. Qed.

(** Theorem 4 with a linear bound. The language of an automaton with n states is recognised by a linear RNN of n - 1 layers,
    of 2n, 2(n-1), .., 4 dimensions, whose factors are projections and swaps, at most as many a letter as the layer has
    dimensions, all with their spectrum in {-1, 0, 1}; words reach finitely many hidden states; every layer hands on a
    function of its own new state and its input (this is how nets run), of a finite type. *)
Theorem linear_depth A (Q : finType) (M : automaton A Q) :
  exists (N : net bool A) (empty : bool),
    [/\ size (dims N) = #|Q|.-1 /\ dims N = [seq (w + w)%N | w <- rev (iota 2 #|Q|.-1)],
        all_factors projection_or_swap N /\ all_factors (fun d f => spectrum_in_101 (gh f)) N,
        few_factors N,
        finite_hands N /\ finitely_many false N &
        forall w, net_accepts false N empty w = accepts M w].
Proof.
have pos : (0 < #|Q|)%N by apply/card_gt0P; exists (start M).
have [K [dec [enc [_ widthsK [hom encK] _]]]] := depth_theorem M pos.
have [N [dimsN gh few fin out]] :=
  cascade_net (fun s a => accepting M (step M (dec s) a)) (enc (start M)).
have hom_run v s : dec (cascade_run s v) = run_from M (dec s) v.
  by elim: v s => [//|a v IH] s; rewrite /cascade_run /= -/(cascade_run (cascade_step s a) v) IH hom.
exists N, (accepts M [::]); split=> //.
- by rewrite dimsN widthsK size_map size_rev size_iota.
- by split=> //; apply: (all_factors_imply _ gh) => d f; apply: construction_spectrum.
case=> [//|x v]; rewrite /net_accepts out hom_run encK /accepts.
by rewrite [x :: v]lastI /run_from foldl_rcons.
Qed.

(** The same where layers read before the update, in n, n - 1, .., 2 dimensions: what krohn compile does by default. *)
Theorem linear_depth_before A (Q : finType) (M : automaton A Q) :
  exists (N : net bool A) (empty : bool),
    [/\ size (dims N) = #|Q|.-1 /\ dims N = rev (iota 2 #|Q|.-1),
        all_factors projection_or_swap N /\ all_factors (fun d f => spectrum_in_101 (gh f)) N,
        few_factors N,
        finite_hands N /\ finitely_many true N &
        forall w, net_accepts true N empty w = accepts M w].
Proof.
have pos : (0 < #|Q|)%N by apply/card_gt0P; exists (start M).
have [K [dec [enc [_ widthsK [hom encK] _]]]] := depth_theorem M pos.
have [N [dimsN gh few fin out]] :=
  cascade_net_before (fun s a => accepting M (step M (dec s) a)) (enc (start M)).
have hom_run v s : dec (cascade_run s v) = run_from M (dec s) v.
  by elim: v s => [//|a v IH] s; rewrite /cascade_run /= -/(cascade_run (cascade_step s a) v) IH hom.
exists N, (accepts M [::]); split=> //.
- by rewrite dimsN widthsK size_rev size_iota.
- by split=> //; apply: (all_factors_imply _ gh) => d f; apply: construction_spectrum.
case=> [//|x v]; rewrite /net_accepts out hom_run encK /accepts.
by rewrite [x :: v]lastI /run_from foldl_rcons.
Qed.

(** Theorem 3. An automaton with n states whose letters all permute them is recognised by one layer of n dimensions without
    bias; the matrix of a letter is the product of n - #cycles swaps, reflections with the eigenvalues -1 and 1, hence of at
    most n - 1. *)
Theorem permutation_automaton A (Q : finType) (M : automaton A Q) :
  (forall a, injective (fun q => step M q a)) ->
  exists (l : layer A bool) (s : A -> {perm 'I_#|Q|}) (empty : bool),
    let N := Stack l (Readout id) in
    [/\ dim l = #|Q| /\ (forall a, bias l a = 0),
        forall a q, enum_rank (step M q a) = s a (enum_rank q),
        forall a, size (factors l a) = (#|Q| - #|porbits (s a)|)%N /\ (size (factors l a) <= #|Q|.-1)%N,
        all_factors is_swap N /\ all_factors (fun d f => spectrum_in_101 (gh f)) N &
        finitely_many false N /\
        forall w, net_accepts false N empty w = accepts M w].
Proof.
move=> inj.
have inj' a : injective (fun i : 'I_#|Q| => enum_rank (step M (enum_val i) a)).
  by move=> i j /enum_rank_inj/inj/enum_val_inj.
pose s a := perm (inj' a).
have sE a q : enum_rank (step M q a) = s a (enum_rank q) by rewrite permE enum_rankK.
pose state (h : 'cV[rat]_#|Q|) : Q := odflt (start M) [pick q | h (enum_rank q) 0 == 1].
have stateK q : state (basis (enum_rank q)) = q.
  rewrite /state; case: pickP => [q'|/(_ q)]; rewrite basisE; last by rewrite !eqxx.
  by rewrite (inj_eq enum_rank_inj); case: (q' =P q) => // _; rewrite eq_sym oner_eq0.
pose l : layer A bool := {| dim := #|Q|; factors := fun a => [seq swap_of t | t <- swaps (s a)]; bias := fun=> 0;
  hidden0 := basis (enum_rank (start M)); hand := fun h _ => accepting M (state h) |}.
pose N := Stack l (Readout id).
have up q a : update (l := l) (basis (enum_rank q)) a = basis (enum_rank (step M q a)).
  by rewrite /update /= addr0 ghprod_permutation sE.
have run w : forall q, foldl (fun h x => (net_step false (N := N) h x).1) (basis (enum_rank q), tt) w =
    (basis (enum_rank (run_from M q w)), tt).
  by elim: w => [//|a w IH] q; rewrite [LHS]/= up IH.
have sw : all_factors is_swap N.
  split=> // a f /mapP[t tin ->]; exists t.1, t.2; split=> //.
  by move/allP: (swaps_distinct (s a)); apply.
exists l, s, (accepts M [::]); split=> //.
- have few n k : (0 < n)%N -> (0 < k)%N -> (n - k <= n.-1)%N.
    by case: n => // n; case: k => // k _ _; rewrite subSS leq_subr.
  move=> a; rewrite size_map size_swaps; split=> //; apply: few.
    by apply/card_gt0P; exists (start M).
  by apply/card_gt0P; exists (porbit (s a) (enum_rank (start M))); apply: imset_f.
- split=> //; apply: (all_factors_imply _ sw) => d f [i [j [ne ->]]].
  by apply: construction_spectrum; right; exists i, j.
split.
  exists [seq (basis (enum_rank q), tt) | q <- enum Q] => w.
  rewrite /net_run run; move: (run_from M (start M) w) => q.
  have : q \in enum Q by rewrite mem_enum.
  by elim: (enum Q) => [//|q' e IH]; rewrite inE => /orP[/eqP<-|/IH]; [left|right].
case=> [//|x v]; rewrite /net_accepts /net_run run /= up stateK /accepts.
by rewrite [x :: v]lastI /run_from foldl_rcons.
Qed.
