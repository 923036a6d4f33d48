(** Every automaton with n states runs in a cascade of n - 1 permutation-reset components.

    Conventions: words act left to right; a level sees the letter and the states that the levels above it had BEFORE
    the letter, as in the cascade product of Krohn and Rhodes. *)

From mathcomp Require Import all_ssreflect.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(** * Automata *)

(** Complete and deterministic, over any alphabet; [step M q a] is the state behind the letter [a]. *)
Record automaton (A : Type) (Q : finType) := Automaton {
  step : Q -> A -> Q;
  start : Q;
  accepting : pred Q
}.

Definition run_from A Q (M : automaton A Q) (q : Q) (w : seq A) : Q := foldl (step M) q w.
Definition accepts A Q (M : automaton A Q) (w : seq A) : bool := accepting M (run_from M (start M) w).

(** * Permutation-reset components and their cascades *)

(** What a letter does to the states [0 .. w-1] of a component: it permutes them or sends all of them to one. *)
Definition permutation_or_reset w (f : 'I_w -> 'I_w) : Prop := injective f \/ exists c, forall x, f x = c.

(** A cascade over inputs in [X]: its first component reads the input; the cascade below reads the input together with
    the state that the first component had before it. *)
Inductive cascade : Type -> Type :=
| Bottom X : cascade X
| Level X w (act : X -> 'I_w -> 'I_w) (_ : forall x, permutation_or_reset (act x)) (below : cascade (X * 'I_w)) :
    cascade X.

(** The numbers of states of the components, from the top; there are as many levels as this list is long. *)
Fixpoint widths X (K : cascade X) : seq nat :=
  match K with
  | Bottom _ => [::]
  | Level _ w _ _ below => w :: widths below
  end.

Definition depth X (K : cascade X) : nat := size (widths K).

(** A state of the cascade: one of every component. *)
Fixpoint coordinates X (K : cascade X) : Type :=
  match K with
  | Bottom _ => unit
  | Level _ w _ _ below => 'I_w * coordinates below
  end.

Fixpoint cascade_step X (K : cascade X) : coordinates K -> X -> coordinates K :=
  match K with
  | Bottom _ => fun s _ => s
  | Level _ _ act _ below => fun s x => (act x s.1, cascade_step s.2 (x, s.1))
  end.

Definition cascade_run X (K : cascade X) (s : coordinates K) (w : seq X) : coordinates K := foldl (@cascade_step X K) s w.

(** The cascade emulates the automaton: [decode] maps ALL its states to states of the automaton, respecting every
    letter, and [encode] finds a state of the cascade for every state of the automaton. *)
Record emulates A Q (M : automaton A Q) (K : cascade A) (decode : coordinates K -> Q) (encode : Q -> coordinates K) :
    Prop := Emulates {
  decode_step : forall s a, decode (cascade_step s a) = step M (decode s) a;
  encodeK : cancel encode decode
}.

Lemma emulates_run A Q (M : automaton A Q) (K : cascade A) (decode : coordinates K -> Q) encode :
  emulates M decode encode ->
  forall s w, decode (cascade_run s w) = run_from M (decode s) w.
Proof.
move=> [hom _] s w; elim: w s => //= a w IH s.
by rewrite /cascade_run /= -/(cascade_run _ w) IH hom.
Qed.

Lemma emulates_words A Q (M : automaton A Q) (K : cascade A) (decode : coordinates K -> Q) encode :
  emulates M decode encode ->
  forall q w, decode (cascade_run (encode q) w) = run_from M q w.
Proof. by move=> E q w; rewrite (emulates_run E) (encodeK E). Qed.

(** * The point-removal cascade

    A context at a level of w states: two lists of w different states of the automaton (those that the levels above
    have left over, before and after the letter) and the letter's map. The level's state is the index of the point that
    is removed next from the list. *)

Section Removal.

Variable Q : finType.

Definition context w : Type := ('I_w -> Q) * ('I_w -> Q) * (Q -> Q).

(** The index in [new] of a state, 0 if it is not there. *)
Definition index_in w (new : 'I_w.+1 -> Q) (q : Q) : 'I_w.+1 := odflt ord0 [pick j | new j == q].

(** The letter maps the points of [old] one to one to points of [new]. *)
Definition one_to_one w (c : context w) : bool :=
  let: (old, new, f) := c in
  [forall i, [exists j, new j == f (old i)]] && [forall i, forall j, (f (old i) == f (old j)) ==> (i == j)].

(** Where it does, points go to their images; else the first point of [new] without a preimage is removed, whatever was
    removed before. *)
Definition removal w (c : context w.+1) (i : 'I_w.+1) : 'I_w.+1 :=
  let: (old, new, f) := c in
  if one_to_one c then index_in new (f (old i))
  else odflt ord0 [pick j | [forall i, new j != f (old i)]].

(** The lists without the points removed before and after the letter. *)
Definition remove w (c : context w.+1) (i : 'I_w.+1) : context w :=
  let: (old, new, f) := c in
  (fun k => old (lift i k), fun k => new (lift (removal c i) k), f).

Lemma removal_ok w (c : context w.+1) : permutation_or_reset (removal c).
Proof.
case: c => [[old new] f]; case one: (one_to_one (old, new, f)); last first.
  by right; exists (odflt ord0 [pick j | [forall i, new j != f (old i)]]) => i; rewrite /removal one.
left=> i j; rewrite /removal one /index_in; move: one => /andP[/forallP sub /forallP inj].
have found k : new (odflt ord0 [pick j | new j == f (old k)]) = f (old k).
  case: pickP => [m /eqP //|none].
  by have /existsP[m] := sub k; rewrite none.
move=> e; have /forallP/(_ j)/implyP := inj i; rewrite -(found i) -(found j) e eqxx => h.
exact: (eqP (h isT)).
Qed.

(** The levels for contexts of n + 1 points: n of them. *)
Fixpoint removal_levels n X (ctx : X -> context n.+1) : cascade X :=
  match n return (X -> context n.+1) -> cascade X with
  | 0 => fun _ => Bottom X
  | m.+1 => fun ctx =>
      Level (act := fun x => removal (ctx x)) (fun x => removal_ok (ctx x))
        (removal_levels (fun xi : X * 'I_m.+2 => remove (ctx xi.1) xi.2))
  end ctx.

(** The point that is left over. *)
Fixpoint remaining n X (ctx : X -> context n.+1) (points : 'I_n.+1 -> Q) : coordinates (removal_levels ctx) -> Q :=
  match n return forall ctx : X -> context n.+1, ('I_n.+1 -> Q) -> coordinates (removal_levels ctx) -> Q with
  | 0 => fun _ points _ => points ord0
  | m.+1 => fun ctx points s => remaining (fun k => points (lift s.1 k)) s.2
  end ctx points.

(** A state of the cascade that leaves the point with a given index. *)
Fixpoint choose n X (ctx : X -> context n.+1) (i : 'I_n.+1) : coordinates (removal_levels ctx) :=
  match n return forall ctx : X -> context n.+1, 'I_n.+1 -> coordinates (removal_levels ctx) with
  | 0 => fun _ _ => tt
  | m.+1 => fun ctx i =>
      let other := if i == ord0 then ord_max else ord0 : 'I_m.+2 in
      (other, choose _ (odflt ord0 (unlift other i)))
  end ctx i.

Lemma removal_levels_widths n X (ctx : X -> context n.+1) :
  widths (removal_levels ctx) = rev (iota 2 n).
Proof.
elim: n X ctx => [//|n IH] X ctx.
have -> : rev (iota 2 n.+1) = n.+2 :: rev (iota 2 n) by rewrite -{1}(addn1 n) iotaD rev_cat.
by rewrite -(IH (X * 'I_n.+2)%type (fun xi => remove (ctx xi.1) xi.2)).
Qed.

Lemma remaining_choose n X (ctx : X -> context n.+1) points i :
  remaining points (choose ctx i) = points i.
Proof.
elim: n X ctx points i => [|n IH] X ctx points i /=; first by rewrite [i]ord1.
set other := (if i == ord0 then _ else _); rewrite IH.
have ne : other != i.
  rewrite /other; case: ifP => [/eqP->|/negbT]; last by rewrite eq_sym.
  by rewrite -val_eqE.
by have [k e ->] := unlift_some ne; rewrite -e.
Qed.

(** What holds of the contexts of a run: both lists without repetition, and all images of old points among the new. *)
Definition fits w (c : context w) : Prop :=
  let: (old, new, f) := c in
  [/\ injective old, injective new & forall i, exists j, new j = f (old i)].

Lemma remove_fits w (c : context w.+1) i : fits c -> fits (remove c i).
Proof.
case: c => [[old new] f] [io inw sub] /=; split.
- by move=> a b /io/lift_inj.
- by move=> a b /inw/lift_inj.
move=> k; have [j ej] := sub (lift i k).
suff ne : removal (old, new, f) i != j.
  by have [m em _] := unlift_some ne; exists m; rewrite -em.
rewrite /removal /one_to_one; case: ifP => [/andP[_ /forallP inj]|no].
- rewrite /index_in; case: pickP => [m /eqP em|none]; last first.
    by have [m em] := sub i; have := none m; rewrite em eqxx.
  apply/eqP => /= e; have := inj i => /forallP/(_ (lift i k))/implyP.
  by rewrite -em -ej e eqxx => /(_ isT); apply/negP; exact: neq_lift.
- case: pickP => [m /forallP free|none] /=.
    by apply: contraTneq (free (lift i k)) => ->; rewrite ej eqxx.
  (* Every new point has a preimage: then the letter is one to one. *)
  case/negP: (negbT no); apply/andP; split.
    by apply/forallP => a; apply/existsP; have [m em] := sub a; exists m; rewrite em.
  have pre m : exists a, new m == f (old a).
    have := none m => /negbT; rewrite negb_forall => /existsP[a].
    by rewrite negbK => h; exists a.
  pose back m := xchoose (pre m).
  have backP m : new m = f (old (back m)) by apply/eqP; exact: (xchooseP (pre m)).
  have back_inj : injective back by move=> a b e; apply: inw; rewrite backP e -backP.
  have [fwd _ bf] : bijective back by apply: injF_bij.
  apply/forallP => a; apply/forallP => b; apply/implyP => /eqP e.
  apply/eqP; rewrite -[a]bf -[b]bf; congr back.
  by apply: inw; rewrite !backP !bf.
Qed.

(** One letter: the point left over of the new list is the image of the point left over of the old list. *)
Lemma remaining_step n X (ctx : X -> context n.+1) x :
  fits (ctx x) ->
  forall s : coordinates (removal_levels ctx),
  remaining (ctx x).1.2 (cascade_step s x) = (ctx x).2 (remaining (ctx x).1.1 s).
Proof.
elim: n X ctx x => [|n IH] X ctx x.
  case: (ctx x) => [[old new] f] [_ _ sub] s /=.
  by have [j <-] := sub ord0; rewrite [j]ord1.
move=> fit s /=.
have := IH _ (fun xi : X * 'I_n.+2 => remove (ctx xi.1) xi.2) (x, s.1) (remove_fits s.1 fit) s.2.
by rewrite /=; case: (ctx x) => [[old new] f] /=.
Qed.

End Removal.

(** * The theorem *)

Section Construction.

Variables (A : Type) (Q : finType) (M : automaton A Q) (n : nat).
Hypothesis states : #|Q| = n.+1.

(** All states of the automaton, numbered. *)
Definition all_points (i : 'I_n.+1) : Q := enum_val (cast_ord (esym states) i).

Lemma all_points_inj : injective all_points.
Proof. by move=> i j /enum_val_inj/cast_ord_inj. Qed.

Definition number (q : Q) : 'I_n.+1 := cast_ord states (enum_rank q).

Lemma numberK : cancel number all_points.
Proof. by move=> q; rewrite /all_points /number cast_ord_comp cast_ord_id enum_rankK. Qed.

Definition letter_context (a : A) : context Q n.+1 := (all_points, all_points, fun q => step M q a).

(** The construction, as a function of the automaton. *)
Definition point_removal : cascade A := removal_levels letter_context.
Definition decode : coordinates point_removal -> Q := remaining all_points.
Definition encode (q : Q) : coordinates point_removal := choose letter_context (number q).

Theorem point_removal_widths : widths point_removal = rev (iota 2 n).
Proof. exact: removal_levels_widths. Qed.

Theorem point_removal_depth : depth point_removal = n.
Proof. by rewrite /depth point_removal_widths size_rev size_iota. Qed.

Theorem point_removal_emulates : emulates M decode encode.
Proof.
split=> [s a|q]; last by rewrite /decode /encode remaining_choose numberK.
have fit : fits (letter_context a).
  split; [exact: all_points_inj..|].
  by move=> i; exists (number (step M (all_points i) a)); rewrite numberK.
exact: (remaining_step fit s).
Qed.

End Construction.

(** Every complete automaton with n >= 1 states has a cascade of n - 1 permutation-reset components, of n, n - 1, .., 2
    states, which emulates it on every word from every state. *)
Theorem depth_theorem A (Q : finType) (M : automaton A Q) :
  0 < #|Q| ->
  exists (K : cascade A) (decode : coordinates K -> Q) (encode : Q -> coordinates K),
    [/\ depth K = #|Q|.-1,
        widths K = rev (iota 2 #|Q|.-1),
        emulates M decode encode &
        forall q w, decode (cascade_run (encode q) w) = run_from M q w].
Proof.
case e: #|Q| => [//|n] _ /=.
have E := point_removal_emulates M e.
exists (point_removal M e), (decode (states := e)), (encode M e); split=> //.
- exact: point_removal_depth.
- exact: point_removal_widths.
- exact: emulates_words E.
Qed.

(** The same for recognised languages: with a start and a set of accepting states the cascade accepts the same words.
    The hypothesis on the number of states is not needed: the start is one. *)
Corollary depth_language A (Q : finType) (M : automaton A Q) :
  exists (K : cascade A) (initial : coordinates K) (accepting : coordinates K -> bool),
    depth K = #|Q|.-1 /\ forall w, accepting (cascade_run initial w) = accepts M w.
Proof.
have pos : 0 < #|Q| by apply/card_gt0P; exists (start M).
have [K [dec [enc [d _ _ r]]]] := depth_theorem M pos.
by exists K, (enc (start M)), (fun s => accepting M (dec s)); split=> // w; rewrite r.
Qed.

