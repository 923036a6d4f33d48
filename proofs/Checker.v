(** The checks of docs/certificates.md as programs, and why they suffice.

    A checker is given evidence that somebody else found and searches nothing. To step every hidden state once only, the
    evidence comes with tables: the hidden states of every layer, numbered, and for an action (or a readout) and a number
    the number behind it (or the slot decoded). [verify] confirms every entry by the arithmetic of Semantics.v; all that
    follows then reads the tables. Nothing is assumed of any part of the evidence. *)

From Coq Require Import ZArith List Bool Arith Lia.
From Flocq Require Import IEEE754.BinarySingleNaN.
From Krohn Require Import Semantics.
Import ListNotations.

Set Implicit Arguments.

(** * Loops and comparisons *)

Fixpoint all_below (n : nat) (f : nat -> bool) : bool :=
  match n with
  | 0 => true
  | S k => if f k then all_below k f else false
  end.

Lemma all_below_spec n f : all_below n f = true -> forall i, i < n -> f i = true.
Proof.
induction n as [|n IH]; cbn; intros H i L; [lia|].
destruct (f n) eqn:E; [|discriminate].
destruct (Nat.eq_dec i n) as [->|]; [exact E|apply IH; [exact H|lia]].
Qed.

Arguments all_below_spec {n f} _ [i] _.

(** The same number: both zeros only if their signs are the same. *)
Definition same (x y : f32) : bool :=
  match x, y with
  | B754_zero s, B754_zero s' | B754_infinity s, B754_infinity s' => Bool.eqb s s'
  | B754_nan, B754_nan => true
  | B754_finite s m e _, B754_finite s' m' e' _ => if Bool.eqb s s' then if Pos.eqb m m' then Z.eqb e e' else false else false
  | _, _ => false
  end.

Lemma same_eq x y : same x y = true -> x = y.
Proof.
destruct x as [s|s| |s m e H], y as [s'|s'| |s' m' e' H']; cbn; try discriminate; intros E.
- apply Bool.eqb_prop in E; now subst.
- apply Bool.eqb_prop in E; now subst.
- reflexivity.
- destruct (Bool.eqb s s') eqn:E1; [|discriminate].
  destruct (Pos.eqb m m') eqn:E2; [|discriminate].
  apply Bool.eqb_prop in E1; apply Pos.eqb_eq in E2; apply Z.eqb_eq in E; subst.
  apply B2SF_inj; reflexivity.
Qed.

Fixpoint same_list A (eq : A -> A -> bool) (x y : list A) : bool :=
  match x, y with
  | [], [] => true
  | a :: x', b :: y' => if eq a b then same_list eq x' y' else false
  | _, _ => false
  end.

Lemma same_list_eq A (eq : A -> A -> bool) (ok : forall a b, eq a b = true -> a = b) x y :
  same_list eq x y = true -> x = y.
Proof.
revert y; induction x as [|a x IH]; intros [|b y]; cbn; try discriminate; intros H; [reflexivity|].
destruct (eq a b) eqn:E; [|discriminate].
now rewrite (ok _ _ E), (IH _ H).
Qed.

Definition same_hidden : hidden -> hidden -> bool := same_list same.
Lemma same_hidden_eq h h' : same_hidden h h' = true -> h = h'.
Proof. apply same_list_eq, same_eq. Qed.

Definition same_numbers : list nat -> list nat -> bool := same_list Nat.eqb.
Lemma same_numbers_eq l l' : same_numbers l l' = true -> l = l'.
Proof. apply same_list_eq; intros a b; apply Nat.eqb_eq. Qed.

(** [cond]: one case of a boolean match in a hypothesis that says it is true. *)
Ltac cond H :=
  match type of H with
  | (if ?b then _ else false) = true => let E := fresh "E" in destruct b eqn:E; [|discriminate H]
  | match ?x with _ => _ end = true => let E := fresh "E" in destruct x eqn:E; try discriminate H
  end.

(** * Tables of a layer *)

Record tables := Tables {
  count : nat;                                  (* of hidden states *)
  num_actions : nat;
  num_readouts : nat;
  state : nat -> option hidden;
  moves : nat -> nat -> option nat;             (* action, state *)
  slots : nat -> nat -> option (option nat)     (* readout, state; [Some None]: a tie *)
}.

Definition move (t : tables) (a i : nat) : option nat :=
  if a <? num_actions t then if i <? count t then moves t a i else None else None.
Definition slot (t : tables) (r i : nat) : option (option nat) :=
  if r <? num_readouts t then if i <? count t then slots t r i else None else None.

Definition same_slot (x y : option nat) : bool :=
  match x, y with
  | None, None => true
  | Some i, Some j => Nat.eqb i j
  | _, _ => false
  end.

Definition verify_move (f : semantics) (l : layer) (t : tables) (a i : nat) : bool :=
  match moves t a i with
  | None => true
  | Some j =>
      match state t i, state t j with
      | Some h, Some h' => match act f l a h with Some computed => same_hidden computed h' | None => false end
      | _, _ => false
      end
  end.

Definition verify_slot (l : layer) (t : tables) (r i : nat) : bool :=
  match slots t r i with
  | None => true
  | Some s =>
      match state t i with
      | Some h => match decode_by l r h with Some (s', _) => same_slot s s' | None => false end
      | None => false
      end
  end.

Definition verify (f : semantics) (l : layer) (t : tables) : bool :=
  if all_below (num_actions t) (fun a => all_below (count t) (fun i => verify_move f l t a i)) then
    all_below (num_readouts t) (fun r => all_below (count t) (fun i => verify_slot l t r i))
  else false.

(** What a verified table says. *)
Definition faithful (f : semantics) (l : layer) (t : tables) : Prop :=
  (forall a i j, move t a i = Some j ->
     exists h h', state t i = Some h /\ state t j = Some h' /\ act f l a h = Some h') /\
  (forall r i s, slot t r i = Some s ->
     exists h margin, state t i = Some h /\ decode_by l r h = Some (s, margin)).

Lemma verify_faithful f l t : verify f l t = true -> faithful f l t.
Proof.
unfold verify; intros H; cond H; split.
- intros a i j M; unfold move in M.
  destruct (a <? num_actions t) eqn:La; [|discriminate].
  destruct (i <? count t) eqn:Li; [|discriminate].
  apply Nat.ltb_lt in La; apply Nat.ltb_lt in Li.
  pose proof (all_below_spec E La) as V; cbv beta in V.
  apply all_below_spec with (i := i) in V; [|exact Li].
  unfold verify_move in V; rewrite M in V.
  repeat cond V.
  apply same_hidden_eq in V; subst; eauto 10.
- intros r i s M; unfold slot in M.
  destruct (r <? num_readouts t) eqn:La; [|discriminate].
  destruct (i <? count t) eqn:Li; [|discriminate].
  apply Nat.ltb_lt in La; apply Nat.ltb_lt in Li.
  pose proof (all_below_spec H La) as V; cbv beta in V.
  apply all_below_spec with (i := i) in V; [|exact Li].
  unfold verify_slot in V; rewrite M in V.
  repeat cond V; subst.
  assert (s = o) as -> by (destruct s, o; cbn in V; try discriminate; [apply Nat.eqb_eq in V; now subst|reflexivity]).
  eauto 10.
Qed.

(** * The model on numbers *)

Inductive ioutcome := IError | IPoison | IHanded (is : list nat) (handed : nat).

Definition ihand_on (i : nat) (o : ioutcome) : ioutcome :=
  match o with IHanded is r => IHanded (i :: is) r | _ => o end.

Fixpoint istep (lts : list (layer * tables)) (is : list nat) (r : option nat) : ioutcome :=
  match lts, is with
  | [], [] => match r with Some label => IHanded [] label | None => IPoison end
  | (l, t) :: lts', i :: is' =>
      match r with
      | None => IPoison
      | Some r =>
          match row_at l r with
          | None => IError
          | Some w =>
              if reads_before l then
                match slot t (row_readout w) i with
                | None => IError
                | Some None => IPoison
                | Some (Some s) =>
                    match move t (row_action w) i, next_at l (row_next w + s) with
                    | Some j, Some r' => ihand_on j (istep lts' is' r')
                    | _, _ => IError
                    end
                end
              else
                match move t (row_action w) i with
                | None => IError
                | Some j =>
                    match slot t (row_readout w) j with
                    | None => IError
                    | Some None => IPoison
                    | Some (Some s) =>
                        match next_at l (row_next w + s) with
                        | Some r' => ihand_on j (istep lts' is' r')
                        | None => IError
                        end
                    end
                end
          end
      end
  | _, _ => IError
  end.

(** The hidden states behind numbers. *)
Fixpoint states_of (lts : list (layer * tables)) (is : list nat) : option (list hidden) :=
  match lts, is with
  | [], [] => Some []
  | (_, t) :: lts', i :: is' => do h <- state t i; do r <- states_of lts' is'; Some (h :: r)
  | _, _ => None
  end.

Definition all_faithful (f : semantics) (lts : list (layer * tables)) : Prop :=
  Forall (fun lt => faithful f (fst lt) (snd lt)) lts.

(** A step on numbers is a step of the model. *)
Lemma istep_sound f lts : all_faithful f lts ->
  forall is hs r margin, states_of lts is = Some hs ->
  match istep lts is r with
  | IError => True
  | IPoison => step_layers f (map fst lts) hs r margin = Poison
  | IHanded is' label =>
      exists hs' margin', step_layers f (map fst lts) hs r margin = Handed hs' label margin' /\
        states_of lts is' = Some hs'
  end.
Proof.
induction 1 as [|[l t] lts [FM FS] _ IH]; intros [|i is] hs r margin S; cbn in S; try discriminate.
- injection S as <-; cbn; destruct r; [|reflexivity]; do 2 eexists; split; reflexivity.
- destruct (state t i) as [h|] eqn:Si; [|discriminate]; cbn in S.
  destruct (states_of lts is) as [hs'|] eqn:Ss; [|discriminate]; cbn in S; injection S as <-.
  cbn [istep step_layers map fst]; destruct r as [r|]; [|reflexivity].
  destruct (row_at l r) as [w|]; [|exact I].
  cbn [snd fst] in FM, FS.
  destruct (reads_before l).
  + destruct (slot t (row_readout w) i) as [[s|]|] eqn:Sl; [| |exact I];
      apply FS in Sl; destruct Sl as (h' & g & Sh & D); rewrite Si in Sh; injection Sh as <-; rewrite D;
      [|reflexivity].
    destruct (move t (row_action w) i) as [j|] eqn:Mv; [|exact I].
    destruct (next_at l (row_next w + s)) as [r'|]; [|exact I].
    apply FM in Mv; destruct Mv as (h' & h2 & Sh & Sj & A); rewrite Si in Sh; injection Sh as <-; rewrite A.
    specialize (IH is hs' r' (least margin g) Ss).
    destruct (istep lts is r') as [| |is' label]; cbn; [exact I|now rewrite IH|].
    destruct IH as (hs2 & m2 & -> & Q); cbn; do 2 eexists; split; [reflexivity|now rewrite Sj, Q].
  + destruct (move t (row_action w) i) as [j|] eqn:Mv; [|exact I].
    apply FM in Mv; destruct Mv as (h' & h2 & Sh & Sj & A); rewrite Si in Sh; injection Sh as <-; rewrite A.
    destruct (slot t (row_readout w) j) as [[s|]|] eqn:Sl; [| |exact I];
      apply FS in Sl; destruct Sl as (h' & g & Sh & D); rewrite Sj in Sh; injection Sh as <-; rewrite D;
      [|reflexivity].
    destruct (next_at l (row_next w + s)) as [r'|]; [|exact I].
    specialize (IH is hs' r' (least margin g) Ss).
    destruct (istep lts is r') as [| |is' label]; cbn; [exact I|now rewrite IH|].
    destruct IH as (hs2 & m2 & -> & Q); cbn; do 2 eexists; split; [reflexivity|now rewrite Sj, Q].
Qed.

Definition verify_all (f : semantics) (lts : list (layer * tables)) : bool :=
  forallb (fun lt => verify f (fst lt) (snd lt)) lts.

Lemma verify_all_faithful f lts : verify_all f lts = true -> all_faithful f lts.
Proof.
intros H; apply Forall_forall; intros lt I.
apply verify_faithful; revert lt I; apply forallb_forall, H.
Qed.

(** The layers' first hidden states, as numbers. *)
Definition stored_initial (f : semantics) (l : layer) : option hidden := map_option (store f) (initial_hidden l).

Fixpoint istart (f : semantics) (lts : list (layer * tables)) (is : list nat) : bool :=
  match lts, is with
  | [], [] => true
  | (l, t) :: lts', i :: is' =>
      match state t i, stored_initial f l with
      | Some h, Some h' => if same_hidden h h' then istart f lts' is' else false
      | _, _ => false
      end
  | _, _ => false
  end.

Lemma istart_sound f lts is : istart f lts is = true ->
  exists hs, map_option (stored_initial f) (map fst lts) = Some hs /\ states_of lts is = Some hs.
Proof.
revert is; induction lts as [|[l t] lts IH]; intros [|i is]; cbn; try discriminate; intros H; [eauto|].
repeat cond H; apply IH in H; destruct H as (hs & -> & ->).
match goal with E : same_hidden _ _ = true |- _ => apply same_hidden_eq in E; subst end.
cbn; eauto.
Qed.

(** Layers with their tables. *)
Fixpoint pair_up (ls : list layer) (ts : list tables) : option (list (layer * tables)) :=
  match ls, ts with
  | [], [] => Some []
  | l :: ls', t :: ts' => do r <- pair_up ls' ts'; Some ((l, t) :: r)
  | _, _ => None
  end.

Lemma pair_up_fst ls ts lts : pair_up ls ts = Some lts -> map fst lts = ls.
Proof.
revert ts lts; induction ls as [|l ls IH]; intros [|t ts] lts; cbn; try discriminate; intros H.
- now injection H as <-.
- destruct (pair_up ls ts) eqn:E; [|discriminate]; injection H as <-; cbn; f_equal; eauto.
Qed.

(** * Labels *)

Section Labels.

Variable Label : Type.
Variable label_eqb : Label -> Label -> bool.
Hypothesis label_eqb_eq : forall x y, label_eqb x y = true <-> x = y.

Notation model := (model Label).
Notation dfa := (dfa Label).

Definition agrees (m : model) (a : dfa) (label : option nat) (q : nat) : bool :=
  match state_label a q with
  | None => false
  | Some None => true
  | Some (Some wanted) =>
      match label with
      | None => false
      | Some i => match label_name m i with Some name => label_eqb name wanted | None => false end
      end
  end.

Lemma agrees_right m a label q : agrees m a label q = true -> right m a label q.
Proof.
unfold agrees, right; destruct (state_label a q) as [[wanted|]|]; [| |discriminate].
- destruct label as [i|]; [|discriminate].
  destruct (label_name m i) as [name|] eqn:N; [|discriminate].
  rewrite label_eqb_eq; intros ->; eexists; split; [reflexivity|].
  intros n [= <-]; eauto.
- intros _; eexists; split; [reflexivity|discriminate].
Qed.

Lemma right_agrees m a label q : right m a label q -> agrees m a label q = true.
Proof.
unfold agrees, right; intros (wanted & -> & H).
destruct wanted as [name|]; [|reflexivity].
destruct (H _ eq_refl) as (i & -> & ->); now apply label_eqb_eq.
Qed.

(** * The step of a run, on numbers *)

Definition icarried := option (list nat).     (* [None]: undefined *)

Definition imodel_step (m : model) (lts : list (layer * tables)) (c : icarried) (s : nat) :
    option (icarried * option nat) :=
  match c with
  | None => Some (None, None)
  | Some is =>
      match symbol_row m s with
      | None => None
      | Some r =>
          match istep lts is r with
          | IError => None
          | IPoison => Some (None, None)
          | IHanded is' label => Some (Some is', Some label)
          end
      end
  end.

(** A carried state is the one that numbers stand for. *)
Definition stands_for (lts : list (layer * tables)) (c : icarried) (real : carried) : Prop :=
  match c with
  | None => real = Undefined
  | Some is => exists hs, real = Defined hs /\ states_of lts is = Some hs
  end.

Lemma imodel_step_sound f m lts :
  all_faithful f lts -> map fst lts = layers m ->
  forall c real s c' label, stands_for lts c real -> imodel_step m lts c s = Some (c', label) ->
  exists real' margin, step f m real s = Some (real', label, margin) /\ stands_for lts c' real'.
Proof.
intros F L [is|] real s c' label R E; cbn in R, E.
- destruct R as (hs & -> & R); cbn.
  destruct (symbol_row m s) as [r|]; [|discriminate]; cbn.
  pose proof (istep_sound F is r infinity R) as S; rewrite L in S.
  destruct (istep lts is r) as [| |is' lab]; [discriminate| |].
  + rewrite S; injection E as <- <-; do 2 eexists; split; [reflexivity|reflexivity].
  + destruct S as (hs' & margin & -> & S); injection E as <- <-.
    do 2 eexists; split; [reflexivity|cbn; eauto].
- subst; cbn; injection E as <- <-; do 2 eexists; split; reflexivity.
Qed.

Lemma run_on_app f (m : model) s w v :
  run_on f m s (w ++ v) = bind (run_on f m s w) (fun s' => run_on f m s' v).
Proof.
revert s; induction w as [|x w IH]; intros s; [reflexivity|cbn].
destruct (step f m (fst (fst s)) x); [apply IH|reflexivity].
Qed.

Lemma run_app f (m : model) w v :
  run f m (w ++ v) = bind (run f m w) (fun s => run_on f m s v).
Proof. unfold run; destruct (start f m); [apply run_on_app|reflexivity]. Qed.

Lemma state_after_app (a : dfa) q w v :
  state_after a q (w ++ v) = bind (state_after a q w) (fun q' => state_after a q' v).
Proof.
revert q; induction w as [|x w IH]; intros q; [reflexivity|cbn].
destruct (next_state a q x); [apply IH|reflexivity].
Qed.

(** * The closure (certificates.md, 5, items 5 and 6) *)

Record closure := Closure {
  pairs : nat;
  pair : nat -> option (icarried * nat * nat);  (* carried state, state of the automaton, depth *)
  successor : nat -> nat -> option nat          (* pair, symbol *)
}.

Definition same_carried (c d : icarried) : bool :=
  match c, d with
  | None, None => true
  | Some x, Some y => same_numbers x y
  | _, _ => false
  end.

Lemma same_carried_eq c d : same_carried c d = true -> c = d.
Proof. destruct c, d; cbn; try discriminate; [intros H; now rewrite (same_numbers_eq _ _ H)|reflexivity]. Qed.

(** [bound]: the length up to which the claim goes, [None] for all lengths. *)
Definition within (bound : option nat) (d : nat) : bool := match bound with None => true | Some n => d <? n end.

Definition check_edge (m : model) (a : dfa) (lts : list (layer * tables)) (e : closure) (bound : option nat)
    (i s : nat) : bool :=
  match pair e i with
  | None => false
  | Some (c, q, d) =>
      if within bound d then
        match next_state a q s, imodel_step m lts c s with
        | Some q', Some (c', label) =>
            if agrees m a label q' then
              match successor e i s with
              | Some j =>
                  if j <? pairs e then
                    match pair e j with
                    | Some (c'', q'', d') =>
                        if q' =? q'' then
                          if match bound with None => true | Some _ => d' <=? S d end then same_carried c' c'' else false
                        else false
                    | None => false
                    end
                  else false
              | None => match bound with None => false | Some n => S d =? n end
              end
            else false
        | _, _ => false
        end
      else true
  end.

Definition check_start (f : semantics) (m : model) (a : dfa) (lts : list (layer * tables)) (e : closure) : bool :=
  match pair e 0 with
  | Some (Some is, q, 0) =>
      if 0 <? pairs e then
        if q =? initial_state a then
          if agrees m a (initial_label m) q then istart f lts is else false
        else false
      else false
  | _ => false
  end.

Definition check_closure_edges (m : model) (a : dfa) (lts : list (layer * tables)) (e : closure) (bound : option nat) :=
  all_below (pairs e) (fun i => all_below (symbols m) (fun s => check_edge m a lts e bound i s)).

Definition check_closure (f : semantics) (m : model) (a : dfa) (ts : list tables) (e : closure) (bound : option nat) :
    bool :=
  match pair_up (layers m) ts with
  | None => false
  | Some lts =>
      if check_start f m a lts e then
        if check_closure_edges m a lts e bound then verify_all f lts else false
      else false
  end.

Lemma start_of f (m : model) is lts :
  map fst lts = layers m -> istart f lts is = true ->
  exists hs margin, start f m = Some (Defined hs, initial_label m, margin) /\ states_of lts is = Some hs.
Proof.
intros L H; apply istart_sound in H; destruct H as (hs & M & S).
unfold start; rewrite <- L.
change (map_option (fun l => map_option (store f) (initial_hidden l))) with (map_option (stored_initial f)).
rewrite M; cbn; eauto.
Qed.

Theorem check_closure_sound f m a ts e bound :
  check_closure f m a ts e bound = true ->
  forall w, word_of m w -> match bound with None => True | Some n => length w <= n end -> right_on f m a w.
Proof.
unfold check_closure; intros H.
cond H; rename l into lts, E into P; cond H; rename E into B; cond H; rename E into G.
apply verify_all_faithful in H; rename H into F.
pose proof (pair_up_fst _ _ P) as L.
assert (Ind : forall w, word_of m w -> match bound with None => True | Some n => length w <= n end ->
  right_on f m a w /\
  (match bound with None => True | Some n => length w < n end ->
   exists i c q d real label margin,
     i < pairs e /\ pair e i = Some (c, q, d) /\ match bound with None => True | Some _ => d <= length w end /\
     run f m w = Some (real, label, margin) /\ stands_for lts c real /\
     state_after a (initial_state a) w = Some q)).
{ intros w; induction w as [|s w IH] using rev_ind; intros W N.
  - unfold check_start in B; destruct (pair e 0) as [[[[is|] q] [|d]]|] eqn:P0; try discriminate.
    cond B; rename E into LT; cond B; rename E into Q; cond B; rename E into A.
    apply Nat.eqb_eq in Q; apply Nat.ltb_lt in LT; subst q.
    destruct (@start_of f m is lts L B) as (hs & margin & St & So).
    assert (R : run f m [] = Some (Defined hs, initial_label m, margin)) by (unfold run; now rewrite St).
    split.
    + do 4 eexists; split; [exact R|split; [reflexivity|now apply agrees_right]].
    + intros _; exists 0; do 6 eexists.
      split; [exact LT|]; split; [exact P0|]; split; [destruct bound; [apply le_n|exact I]|].
      split; [exact R|]; split; [cbn; eauto|reflexivity].
  - apply Forall_app in W; destruct W as [W Ws]; inversion Ws as [|? ? LTs _]; subst.
    rewrite app_length in N |- *; cbn [length] in N |- *.
    assert (N' : match bound with None => True | Some n => length w < n end) by (destruct bound; [lia|exact I]).
    destruct IH as [_ IH]; [exact W|destruct bound; [lia|exact I]|].
    destruct (IH N') as (i & c & q & d & real & label & margin & Li & Pi & Ld & R & St & Qs).
    pose proof (all_below_spec G Li) as Gi; cbv beta in Gi.
    apply all_below_spec with (i := s) in Gi; [|exact LTs].
    unfold check_edge in Gi; rewrite Pi in Gi.
    assert (within bound d = true) as Wi by (destruct bound as [n|]; cbn; [apply Nat.ltb_lt; lia|reflexivity]).
    rewrite Wi in Gi.
    destruct (next_state a q s) as [q'|] eqn:Nx; [|discriminate].
    destruct (imodel_step m lts c s) as [[c' lab]|] eqn:Ms; [|discriminate].
    destruct (@imodel_step_sound f m lts F L c real s c' lab St Ms) as (real' & margin' & Sr & St').
    cond Gi; rename E into Ag.
    assert (R' : run f m (w ++ [s]) = Some (real', lab, margin')).
    { rewrite run_app, R; cbn [bind]; cbn [run_on fst]; rewrite Sr; reflexivity. }
    assert (Q' : state_after a (initial_state a) (w ++ [s]) = Some q').
    { rewrite state_after_app, Qs; cbn [bind]; cbn [state_after]; rewrite Nx; reflexivity. }
    split.
    + do 4 eexists; split; [exact R'|split; [exact Q'|now apply agrees_right]].
    + intros N2; destruct (successor e i s) as [j|].
      * destruct (j <? pairs e) eqn:Lj; [|discriminate]; apply Nat.ltb_lt in Lj.
        destruct (pair e j) as [[[c'' q''] d']|] eqn:Pj; [|discriminate].
        cond Gi; rename E into Eq; cond Gi; rename E into Ed.
        apply Nat.eqb_eq in Eq; apply same_carried_eq in Gi; subst c'' q''.
        exists j, c', q', d', real', lab, margin'.
        split; [exact Lj|]; split; [exact Pj|]; split; [destruct bound as [n|]; [apply Nat.leb_le in Ed; lia|exact I]|].
        split; [exact R'|]; split; [exact St'|exact Q'].
      * destruct bound as [n|]; [apply Nat.eqb_eq in Gi; lia|discriminate]. }
intros w W N; exact (proj1 (Ind w W N)).
Qed.

(** * The invariant (certificates.md, 5, items 7 to 10)

    A walk's slot of a layer is here any function of the number of its hidden state: that it is a decode is not needed. *)

Record hint := Hint {
  walk_slot : nat -> option nat;                (* hidden state; [None]: the walk cannot pass *)
  num_rows : nat;
  context_at : nat -> option (nat * nat * nat)  (* row: class of symbols, old node, new node *)
}.

Record tree := Tree {
  root : nat;
  sits_on : nat -> nat -> bool;                 (* node, layer *)
  child : nat -> nat -> option nat;             (* node, slot *)
  leaf : nat -> option nat                      (* the state of a leaf *)
}.

Notation hinted := (list (layer * tables * hint)).

Definition context (h : hint) (r : nat) : option (nat * nat * nat) :=
  if r <? num_rows h then context_at h r else None.

(** Where a walk stands behind layer k. *)
Definition after (t : tree) (node k : nat) (s : option nat) : option nat :=
  if sits_on t node k then match s with Some s => child t node s | None => None end else Some node.

Fixpoint walk_from (t : tree) (k : nat) (hs : hinted) (is : list nat) (node : nat) : option nat :=
  match hs, is with
  | [], [] => Some node
  | (_, h) :: hs', i :: is' =>
      match after t node k (walk_slot h i) with Some node' => walk_from t (S k) hs' is' node' | None => None end
  | _, _ => None
  end.

(** [edge s p p' label]: what the last layer may do with a symbol of class s in the leaf p. *)
Definition check_row (t : tree) (edge : nat -> nat -> nat -> nat -> bool) (k : nat) (l : layer) (ta : tables) (h : hint)
    (below : option hint) (r i : nat) : bool :=
  match context h r with
  | None => true
  | Some (s, u, v) =>
      match after t u k (walk_slot h i) with
      | None => true
      | Some u' =>
          match row_at l r with
          | None => false
          | Some w =>
              match move ta (row_action w) i with
              | None => false
              | Some j =>
                  if j <? count ta then
                    match slot ta (row_readout w) (if reads_before l then i else j) with
                    | Some (Some sl) =>
                        match after t v k (walk_slot h j), next_at l (row_next w + sl) with
                        | Some v', Some (Some r') =>
                            match below with
                            | Some h' =>
                                match context h' r' with
                                | Some (s', u2, v2) => if s =? s' then if u' =? u2 then v' =? v2 else false else false
                                | None => false
                                end
                            | None =>
                                match leaf t u', leaf t v' with Some p, Some p' => edge s p p' r' | _, _ => false end
                            end
                        | _, _ => false
                        end
                    | _ => false
                    end
                  else false
              end
          end
      end
  end.

Fixpoint check_levels (t : tree) (edge : nat -> nat -> nat -> nat -> bool) (k : nat) (hs : hinted) : bool :=
  match hs with
  | [] => true
  | (l, ta, h) :: hs' =>
      if all_below (num_rows h) (fun r => all_below (count ta) (fun i =>
           check_row t edge k l ta h (match hs' with [] => None | (_, h') :: _ => Some h' end) r i))
      then check_levels t edge (S k) hs' else false
  end.

Fixpoint in_range (hs : hinted) (is : list nat) : Prop :=
  match hs, is with
  | [], [] => True
  | (_, ta, _) :: hs', i :: is' => i < count ta /\ in_range hs' is'
  | _, _ => False
  end.

Lemma levels_sound t edge hs : forall k, check_levels t edge k hs = true ->
  forall is s u v r h ufin, match hs with [] => None | (_, h) :: _ => Some h end = Some h ->
  in_range hs is -> context h r = Some (s, u, v) -> walk_from t k hs is u = Some ufin ->
  exists is' label vfin p p',
    istep (map fst hs) is (Some r) = IHanded is' label /\ in_range hs is' /\
    walk_from t k hs is' v = Some vfin /\ leaf t ufin = Some p /\ leaf t vfin = Some p' /\ edge s p p' label = true.
Proof.
induction hs as [|[[l ta] h0] hs IH]; intros k C is s u v r h ufin Hd R X W; [discriminate|].
injection Hd as ->.
destruct is as [|i is]; cbn in R; [contradiction|]; destruct R as [Li R].
cbn [check_levels] in C; cond C; rename E into Rows.
cbn [walk_from] in W; destruct (after t u k (walk_slot h i)) as [u'|] eqn:Au; [|discriminate].
assert (Lr : r < num_rows h).
{ unfold context in X; destruct (r <? num_rows h) eqn:E; [now apply Nat.ltb_lt|discriminate]. }
pose proof (all_below_spec Rows Lr) as V; cbv beta in V.
apply all_below_spec with (i := i) in V; [|exact Li].
unfold check_row in V; rewrite X, Au in V.
destruct (row_at l r) as [w|] eqn:Rw; [|discriminate].
destruct (move ta (row_action w) i) as [j|] eqn:Mv; [|discriminate].
destruct (j <? count ta) eqn:Lj; [|discriminate]; apply Nat.ltb_lt in Lj.
destruct (slot ta (row_readout w) (if reads_before l then i else j)) as [[sl|]|] eqn:Sl; try discriminate.
destruct (after t v k (walk_slot h j)) as [v'|] eqn:Av; [|discriminate].
destruct (next_at l (row_next w + sl)) as [[r'|]|] eqn:Nx; try discriminate.
assert (St : istep (map fst ((l, ta, h) :: hs)) (i :: is) (Some r) = ihand_on j (istep (map fst hs) is (Some r'))).
{ cbn [map fst istep]; rewrite Rw; destruct (reads_before l).
  - now rewrite Sl, Mv, Nx.
  - now rewrite Mv, Sl, Nx. }
rewrite St; clear St.
destruct hs as [|[[l2 ta2] h2] hs].
- destruct is as [|]; [|contradiction].
  cbn [walk_from] in W; injection W as <-.
  destruct (leaf t u') as [p|] eqn:Lu; [|discriminate]; destruct (leaf t v') as [p'|] eqn:Lv; [|discriminate].
  exists [j], r', v', p, p'; cbn [map istep ihand_on in_range walk_from]; rewrite Av; auto 10.
- destruct (context h2 r') as [[[s' u2] v2]|] eqn:X'; [|discriminate].
  cond V; rename E into E1; cond V; rename E into E2.
  apply Nat.eqb_eq in E1; apply Nat.eqb_eq in E2; apply Nat.eqb_eq in V; subst s' u2 v2.
  destruct (IH (S k) C is s u' v' r' h2 ufin eq_refl R X' W)
    as (is' & label & vfin & p & p' & I & R' & W' & Lu & Lv & Ed).
  exists (j :: is'), label, vfin, p, p'; rewrite I; cbn [ihand_on].
  split; [reflexivity|]; split; [cbn [in_range]; split; [exact Lj|exact R']|].
  split; [cbn [walk_from]; rewrite Av; exact W'|auto].
Qed.

(** ** The automaton of the leaves against the language *)

Record leaves := Leaves {
  target : nat -> nat -> option (nat * list nat);  (* class, leaf: the leaf behind and the labels seen *)
  num_leaf_pairs : nat;
  leaf_pair : nat -> option (nat * nat);           (* leaf, state of the automaton *)
  leaf_successor : nat -> nat -> option nat        (* pair, symbol *)
}.

Definition edge_of (e : leaves) (s p p' label : nat) : bool :=
  match target e s p with
  | Some (p'', labels) => if p' =? p'' then existsb (Nat.eqb label) labels else false
  | None => false
  end.

(** The class of a symbol: its row of the first layer is annotated with it, and with the root twice. *)
Definition class_of (m : model) (t : tree) (hs : hinted) (a : nat) : option (nat * nat) :=
  match hs with
  | [] => None
  | (_, h) :: _ =>
      match symbol_row m a with
      | Some (Some r) =>
          match context h r with
          | Some (c, u, v) => if u =? root t then if v =? root t then Some (r, c) else None else None
          | None => None
          end
      | _ => None
      end
  end.

Definition check_leaf_edge (m : model) (a : dfa) (t : tree) (hs : hinted) (e : leaves) (i s : nat) : bool :=
  match leaf_pair e i with
  | None => false
  | Some (p, q) =>
      match class_of m t hs s, next_state a q s with
      | Some (_, c), Some q' =>
          match target e c p with
          | Some (p', labels) =>
              if forallb (fun label => agrees m a (Some label) q') labels then
                match leaf_successor e i s with
                | Some j =>
                    if j <? num_leaf_pairs e then
                      match leaf_pair e j with
                      | Some (p2, q2) => if p' =? p2 then q' =? q2 else false
                      | None => false
                      end
                    else false
                | None => false
                end
              else false
          | None => false
          end
      | _, _ => false
      end
  end.

Definition check_leaf_start (f : semantics) (m : model) (a : dfa) (t : tree) (hs : hinted) (e : leaves) : bool :=
  match walk_from t 0 hs (map (fun _ => 0) hs) (root t) with
  | None => false
  | Some node =>
      match leaf t node, leaf_pair e 0 with
      | Some p, Some (p', q) =>
          if p =? p' then
            if q =? initial_state a then
              if 0 <? num_leaf_pairs e then
                if agrees m a (initial_label m) q then
                  if forallb (fun x => 0 <? count (snd (fst x))) hs then istart f (map fst hs) (map (fun _ => 0) hs)
                  else false
                else false
              else false
            else false
          else false
      | _, _ => false
      end
  end.

Fixpoint pair_up3 (ls : list layer) (ts : list tables) (hs : list hint) : option hinted :=
  match ls, ts, hs with
  | [], [], [] => Some []
  | l :: ls', t :: ts', h :: hs' => do r <- pair_up3 ls' ts' hs'; Some ((l, t, h) :: r)
  | _, _, _ => None
  end.

Lemma pair_up3_fst ls : forall ts hs r, pair_up3 ls ts hs = Some r -> map fst (map fst r) = ls.
Proof.
induction ls as [|l ls IH]; intros [|t ts] [|h hs] r; cbn; try discriminate; intros H.
- now injection H as <-.
- destruct (pair_up3 ls ts hs) eqn:E; [|discriminate]; injection H as <-; cbn; f_equal; eauto.
Qed.

Definition check_invariant_numbers (f : semantics) (m : model) (a : dfa) (t : tree) (hs : hinted) (e : leaves) : bool :=
  if check_leaf_start f m a t hs e then
    if check_levels t (edge_of e) 0 hs then
      all_below (num_leaf_pairs e) (fun i => all_below (symbols m) (fun s => check_leaf_edge m a t hs e i s))
    else false
  else false.

Definition check_invariant (f : semantics) (m : model) (a : dfa) (ts : list tables) (hints : list hint) (t : tree)
    (e : leaves) : bool :=
  match pair_up3 (layers m) ts hints with
  | None => false
  | Some hs => if check_invariant_numbers f m a t hs e then verify_all f (map fst hs) else false
  end.

Lemma in_range_zeros hs :
  forallb (fun x : layer * tables * hint => 0 <? count (snd (fst x))) hs = true -> in_range hs (map (fun _ => 0) hs).
Proof.
induction hs as [|[[l ta] h] hs IH]; cbn; [auto|]; intros H.
apply andb_prop in H; destruct H as [H1 H2]; split; [now apply Nat.ltb_lt|auto].
Qed.

Lemma class_of_spec m t hs a r c : class_of m t hs a = Some (r, c) ->
  symbol_row m a = Some (Some r) /\
  exists h, match hs with [] => None | (_, h) :: _ => Some h end = Some h /\ context h r = Some (c, root t, root t).
Proof.
unfold class_of; destruct hs as [|[[l ta] h] hs]; [discriminate|].
destruct (symbol_row m a) as [[r0|]|]; try discriminate.
destruct (context h r0) as [[[c0 u] v]|] eqn:X; [|discriminate].
destruct (u =? root t) eqn:Eu; [|discriminate]; destruct (v =? root t) eqn:Ev; [|discriminate].
apply Nat.eqb_eq in Eu; apply Nat.eqb_eq in Ev; intros [= <- <-]; subst u v; eauto.
Qed.

Theorem check_invariant_sound f m a ts hints t e :
  check_invariant f m a ts hints t e = true -> recognises f m a.
Proof.
unfold check_invariant, check_invariant_numbers; intros H.
cond H; rename l into hs, E into P; cond H.
apply verify_all_faithful in H; rename H into F.
cond E; rename E0 into B; cond E; rename E0 into C, E into G.
pose proof (pair_up3_fst _ _ _ P) as L.
set (lts := map fst hs) in *.
assert (Ind : forall w, word_of m w ->
  exists is hs' label margin node i p q,
    run f m w = Some (Defined hs', label, margin) /\ states_of lts is = Some hs' /\ in_range hs is /\
    walk_from t 0 hs is (root t) = Some node /\ leaf t node = Some p /\
    i < num_leaf_pairs e /\ leaf_pair e i = Some (p, q) /\
    state_after a (initial_state a) w = Some q /\ agrees m a label q = true).
{ intros w; induction w as [|s w IH] using rev_ind; intros W.
  - unfold check_leaf_start in B.
    destruct (walk_from t 0 hs (map (fun _ => 0) hs) (root t)) as [node|] eqn:Wk; [|discriminate].
    destruct (leaf t node) as [p|] eqn:Lf; [|discriminate].
    destruct (leaf_pair e 0) as [[p' q]|] eqn:P0; [|discriminate].
    cond B; rename E into E1; cond B; rename E into E2; cond B; rename E into E3; cond B; rename E into E4.
    cond B; rename E into E5.
    apply Nat.eqb_eq in E1; apply Nat.eqb_eq in E2; apply Nat.ltb_lt in E3; subst p' q.
    destruct (@start_of f m _ lts L B) as (hs' & margin & St & So).
    exists (map (fun _ => 0) hs), hs', (initial_label m), margin, node, 0, p, (initial_state a).
    split; [unfold run; now rewrite St|].
    split; [exact So|]; split; [now apply in_range_zeros|]; split; [exact Wk|]; split; [exact Lf|].
    split; [exact E3|]; split; [exact P0|]; split; [reflexivity|exact E4].
  - apply Forall_app in W; destruct W as [W Ws]; inversion Ws as [|? ? LTs _]; subst.
    destruct (IH W) as (is & hs' & label & margin & node & i & p & q & R & So & Ra & Wk & Lf & Li & Pi & Qs & _).
    pose proof (all_below_spec G Li) as Gi; cbv beta in Gi.
    apply all_below_spec with (i := s) in Gi; [|exact LTs].
    unfold check_leaf_edge in Gi; rewrite Pi in Gi.
    destruct (class_of m t hs s) as [[r c]|] eqn:Cl; [|discriminate].
    destruct (next_state a q s) as [q'|] eqn:Nx; [|discriminate].
    destruct (target e c p) as [[p' labels]|] eqn:Tg; [|discriminate].
    cond Gi; rename E into Ag.
    destruct (leaf_successor e i s) as [j|]; [|discriminate].
    destruct (j <? num_leaf_pairs e) eqn:Lj; [|discriminate]; apply Nat.ltb_lt in Lj.
    destruct (leaf_pair e j) as [[p2 q2]|] eqn:Pj; [|discriminate].
    cond Gi; rename E into E1; apply Nat.eqb_eq in E1; apply Nat.eqb_eq in Gi; subst p2 q2.
    destruct (class_of_spec _ _ _ _ Cl) as (Sr & h0 & Hd & Cx).
    destruct (@levels_sound t (edge_of e) hs 0 C is c (root t) (root t) r h0 node Hd Ra Cx Wk)
      as (is' & lab & vfin & p1 & p1' & I & Ra' & Wk' & Lf1 & Lf' & Ed).
    rewrite Lf in Lf1; injection Lf1 as <-.
    unfold edge_of in Ed; rewrite Tg in Ed; cond Ed; rename E into E1; apply Nat.eqb_eq in E1; subst p1'.
    pose proof (@istep_sound f lts F is hs' (Some r) infinity So) as Sd; fold lts in I; rewrite I in Sd.
    destruct Sd as (hs2 & margin' & Sd & So'); rewrite L in Sd.
    exists is', hs2, (Some lab), margin', vfin, j, p', q'.
    split. { rewrite run_app, R; cbn [bind run_on fst step]; rewrite Sr; cbn [bind]; now rewrite Sd. }
    split; [exact So'|]; split; [exact Ra'|]; split; [exact Wk'|]; split; [exact Lf'|].
    split; [exact Lj|]; split; [exact Pj|].
    split. { rewrite state_after_app, Qs; cbn [bind state_after]; now rewrite Nx. }
    apply existsb_exists in Ed; destruct Ed as (lab' & In' & Eq); apply Nat.eqb_eq in Eq; subst lab'.
    rewrite forallb_forall in Ag; exact (Ag _ In'). }
intros w W.
destruct (Ind w W) as (is & hs' & label & margin & node & i & p & q & R & _ & _ & _ & _ & _ & _ & Q & A).
exists (Defined hs'), label, margin, q; split; [exact R|split; [exact Q|now apply agrees_right]].
Qed.

(** * The word of a refutation (item 13) *)

Fixpoint replay (f : semantics) (m : model) (a : dfa) (s : carried * option nat * f32) (q : nat) (w : list nat) :
    option (carried * option nat * f32 * nat) :=
  match w with
  | [] => Some (s, q)
  | x :: w' =>
      if agrees m a (snd (fst s)) q then
        if x <? symbols m then
          match step f m (fst (fst s)) x, next_state a q x with
          | Some s', Some q' => replay f m a s' q' w'
          | _, _ => None
          end
        else None
      else None
  end.

Definition same_state (x y : carried) : bool :=
  match x, y with
  | Undefined, Undefined => true
  | Defined hs, Defined hs' => same_list same_hidden hs hs'
  | _, _ => false
  end.

(** What a certificate says of the end of the word; [unknown] is the name of the label ?. *)
Definition check_end (m : model) (a : dfa) (unknown expected observed : Label) (margin : f32) (final : carried)
    (s : carried * option nat * f32) (q : nat) : bool :=
  let '(c, label, gap) := s in
  if agrees m a label q then false
  else
    match state_label a q with
    | Some (Some name) =>
        if label_eqb name expected then
          match match label with Some i => label_name m i | None => Some unknown end with
          | Some name' => if label_eqb name' observed then if same gap margin then same_state c final else false else false
          | None => false
          end
        else false
    | _ => false
    end.

Definition check_word (f : semantics) (m : model) (a : dfa) (w : list nat) (unknown expected observed : Label)
    (margin : f32) (final : carried) : bool :=
  match start f m with
  | None => false
  | Some s =>
      match replay f m a s (initial_state a) w with
      | Some (s', q) => check_end m a unknown expected observed margin final s' q
      | None => false
      end
  end.

(** The model is wrong on a word, and right on every shorter beginning of it. *)
Definition refuted_by (f : semantics) (m : model) (a : dfa) (w : list nat) : Prop :=
  word_of m w /\
  (exists c label margin q,
     run f m w = Some (c, label, margin) /\ state_after a (initial_state a) w = Some q /\
     state_label a q <> None /\ ~ right m a label q) /\
  forall v u, w = v ++ u -> u <> [] -> right_on f m a v.

Lemma replay_sound f m a w s q s' q' :
  replay f m a s q w = Some (s', q') ->
  word_of m w /\ run_on f m s w = Some s' /\ state_after a q w = Some q' /\
  forall v u, w = v ++ u -> u <> [] ->
    exists c label margin p, run_on f m s v = Some (c, label, margin) /\ state_after a q v = Some p /\ right m a label p.
Proof.
revert s q; induction w as [|x w IH]; intros s q; cbn [replay run_on state_after]; intros H.
- injection H as <- <-; split; [constructor|]; split; [reflexivity|]; split; [reflexivity|].
  intros [|] [|]; cbn; intros; congruence.
- destruct (agrees m a (snd (fst s)) q) eqn:A; [|discriminate].
  destruct (x <? symbols m) eqn:Lx; [|discriminate]; apply Nat.ltb_lt in Lx.
  destruct (step f m (fst (fst s)) x) as [s1|] eqn:S1; [|discriminate].
  destruct (next_state a q x) as [q1|] eqn:Q1; [|discriminate].
  destruct (IH _ _ H) as (W & R & Q & V).
  split; [now constructor|]; split; [exact R|]; split; [exact Q|].
  intros [|y v] u E N; cbn.
  + destruct s as [[c label] margin]; exists c, label, margin, q.
    split; [reflexivity|]; split; [reflexivity|now apply agrees_right].
  + injection E as <- E; rewrite S1; cbn [bind]; rewrite Q1; eauto.
Qed.

Theorem check_word_sound f m a w unknown expected observed margin final :
  check_word f m a w unknown expected observed margin final = true -> refuted_by f m a w.
Proof.
unfold check_word; intros H.
destruct (start f m) as [s|] eqn:St; [|discriminate].
destruct (replay f m a s (initial_state a) w) as [[s' q]|] eqn:R; [|discriminate].
apply replay_sound in R; destruct R as (W & Ro & Q & V).
split; [exact W|split].
- destruct s' as [[c label] gap]; unfold check_end in H.
  destruct (agrees m a label q) eqn:A; [discriminate|].
  exists c, label, gap, q; split; [unfold run; now rewrite St|]; split; [exact Q|].
  split; [intros SL; rewrite SL in H; discriminate|].
  intros C; apply right_agrees in C; congruence.
- intros v u E N; destruct (V v u E N) as (c & label & g & p & R1 & R2 & R3).
  exists c, label, g, p; split; [unfold run; now rewrite St|auto].
Qed.

(** * The lasso of a refutation (items 14 and 15)

    Two words behind which the model carries the same, and a suffix with which the automaton tells them apart. *)

Definition check_behind (f : semantics) (m : model) (a : dfa) (w suffix : list nat) (unknown expected observed : Label)
    (meeting : carried) : bool :=
  if forallb (fun x => x <? symbols m) w then
    if forallb (fun x => x <? symbols m) suffix then
      match run f m w with
      | None => false
      | Some s =>
          if same_state (fst (fst s)) meeting then
            match run_on f m s suffix, bind (state_after a (initial_state a) w) (fun q => state_after a q suffix) with
            | Some (_, label, _), Some q =>
                match state_label a q with
                | Some (Some name) =>
                    if label_eqb name expected then
                      match match label with Some i => label_name m i | None => Some unknown end with
                      | Some name' => label_eqb name' observed
                      | None => false
                      end
                    else false
                | _ => false
                end
            | _, _ => false
            end
          else false
      end
    else false
  else false.

Definition check_lasso (f : semantics) (m : model) (a : dfa) (w1 w2 suffix : list nat)
    (unknown expected1 expected2 observed : Label) (meeting : carried) : bool :=
  match meeting with
  | Undefined => false
  | Defined _ =>
      if label_eqb expected1 expected2 then false
      else
        if check_behind f m a w1 suffix unknown expected1 observed meeting then
          check_behind f m a w2 suffix unknown expected2 observed meeting
        else false
  end.

Lemma same_state_eq c d : same_state c d = true -> c = d.
Proof.
destruct c, d; cbn; try discriminate; [|reflexivity]; intros H; f_equal.
revert H; apply same_list_eq, same_hidden_eq.
Qed.

Lemma check_behind_sound f m a w suffix unknown expected observed meeting :
  check_behind f m a w suffix unknown expected observed meeting = true ->
  word_of m w /\ word_of m suffix /\
  exists label margin q,
    run f m w = Some (meeting, label, margin) /\
    state_after a (initial_state a) (w ++ suffix) = Some q /\ state_label a q = Some (Some expected).
Proof.
unfold check_behind; intros H; cond H; rename E into W; cond H; rename E into V.
destruct (run f m w) as [[[c label] margin]|] eqn:R; [|discriminate].
cbn [fst] in H; cond H; rename E into M; apply same_state_eq in M; subst c.
destruct (run_on f m (meeting, label, margin) suffix) as [[[c' label'] margin']|]; [|discriminate].
rewrite <- state_after_app in H.
destruct (state_after a (initial_state a) (w ++ suffix)) as [q|]; [|discriminate].
destruct (state_label a q) as [[name|]|] eqn:L; try discriminate.
cond H; rename E into N; apply label_eqb_eq in N; subst name.
split; [|split].
- apply Forall_forall; intros x I; rewrite forallb_forall in W; apply Nat.ltb_lt, (W _ I).
- apply Forall_forall; intros x I; rewrite forallb_forall in V; apply Nat.ltb_lt, (V _ I).
- exists label, margin, q; auto.
Qed.

(** Behind both words the model carries the same; the automaton gives the words with the suffix two labels. *)
Theorem check_lasso_sound f m a w1 w2 suffix unknown e1 e2 observed meeting :
  check_lasso f m a w1 w2 suffix unknown e1 e2 observed meeting = true ->
  word_of m (w1 ++ suffix) /\ word_of m (w2 ++ suffix) /\ e1 <> e2 /\
  exists hs l1 l2 g1 g2 q1 q2,
    run f m w1 = Some (Defined hs, l1, g1) /\ run f m w2 = Some (Defined hs, l2, g2) /\
    state_after a (initial_state a) (w1 ++ suffix) = Some q1 /\ state_label a q1 = Some (Some e1) /\
    state_after a (initial_state a) (w2 ++ suffix) = Some q2 /\ state_label a q2 = Some (Some e2).
Proof.
unfold check_lasso; intros H; destruct meeting as [hs|]; [|discriminate].
destruct (label_eqb e1 e2) eqn:E; [discriminate|]; cond H.
apply check_behind_sound in E0; destruct E0 as (W1 & V & l1 & g1 & q1 & R1 & A1 & L1).
apply check_behind_sound in H; destruct H as (W2 & _ & l2 & g2 & q2 & R2 & A2 & L2).
split; [apply Forall_app; auto|]; split; [apply Forall_app; auto|].
split; [intros C; apply label_eqb_eq in C; congruence|].
exists hs, l1, l2, g1, g2, q1, q2; auto 10.
Qed.

(** * The language: two automata that label every word alike (item 3) *)

Record pairing := Pairing {
  num_pairs : nat;
  pair_at : nat -> option (nat * nat);
  pair_successor : nat -> nat -> option nat
}.

Definition same_label (x y : option Label) : bool :=
  match x, y with
  | None, None => true
  | Some a, Some b => label_eqb a b
  | _, _ => false
  end.

Definition check_pair (a b : dfa) (e : pairing) (n i : nat) : bool :=
  match pair_at e i with
  | None => false
  | Some (p, q) =>
      match state_label a p, state_label b q with
      | Some x, Some y =>
          if same_label x y then
            all_below n (fun s =>
              match next_state a p s, next_state b q s, pair_successor e i s with
              | Some p', Some q', Some j =>
                  if j <? num_pairs e then
                    match pair_at e j with
                    | Some (p2, q2) => if p' =? p2 then q' =? q2 else false
                    | None => false
                    end
                  else false
              | _, _, _ => false
              end)
          else false
      | _, _ => false
      end
  end.

Definition check_same_language (n : nat) (a b : dfa) (e : pairing) : bool :=
  match pair_at e 0 with
  | Some (p, q) =>
      if p =? initial_state a then
        if q =? initial_state b then
          if 0 <? num_pairs e then all_below (num_pairs e) (check_pair a b e n) else false
        else false
      else false
  | None => false
  end.

Theorem check_same_language_sound n a b e :
  check_same_language n a b e = true ->
  forall w, Forall (fun s => s < n) w ->
  exists p q label, state_after a (initial_state a) w = Some p /\ state_after b (initial_state b) w = Some q /\
    state_label a p = Some label /\ state_label b q = Some label.
Proof.
unfold check_same_language; intros H w W.
destruct (pair_at e 0) as [[p0 q0]|] eqn:P0; [|discriminate].
cond H; rename E into E1; cond H; rename E into E2; cond H; rename E into L0.
apply Nat.eqb_eq in E1; apply Nat.eqb_eq in E2; apply Nat.ltb_lt in L0; subst.
assert (Ind : exists i p q, i < num_pairs e /\ pair_at e i = Some (p, q) /\
  state_after a (initial_state a) w = Some p /\ state_after b (initial_state b) w = Some q).
{ induction w as [|s w IH] using rev_ind; [exists 0; eauto 10|].
  apply Forall_app in W; destruct W as [W Ws]; inversion Ws as [|? ? LTs _]; subst.
  destruct (IH W) as (i & p & q & Li & Pi & A & B).
  pose proof (all_below_spec H Li) as C; unfold check_pair in C; rewrite Pi in C.
  destruct (state_label a p); [|discriminate]; destruct (state_label b q); [|discriminate].
  cond C; apply all_below_spec with (i := s) in C; [|exact LTs].
  destruct (next_state a p s) as [p'|] eqn:Na; [|discriminate].
  destruct (next_state b q s) as [q'|] eqn:Nb; [|discriminate].
  destruct (pair_successor e i s) as [j|]; [|discriminate].
  destruct (j <? num_pairs e) eqn:Lj; [|discriminate]; apply Nat.ltb_lt in Lj.
  destruct (pair_at e j) as [[p2 q2]|] eqn:Pj; [|discriminate].
  destruct (p' =? p2) eqn:Ep; [|discriminate]; apply Nat.eqb_eq in Ep; apply Nat.eqb_eq in C; subst.
  exists j, p2, q2; split; [exact Lj|]; split; [exact Pj|].
  rewrite !state_after_app, A, B; cbn [bind state_after]; now rewrite Na, Nb. }
destruct Ind as (i & p & q & Li & Pi & A & B).
pose proof (all_below_spec H Li) as C; unfold check_pair in C; rewrite Pi in C.
destruct (state_label a p) as [x|] eqn:X; [|discriminate]; destruct (state_label b q) as [y|] eqn:Y; [|discriminate].
cond C; exists p, q, x; split; [exact A|]; split; [exact B|]; split; [exact X|].
rewrite Y; f_equal; destruct x, y; cbn in E; try discriminate; [apply label_eqb_eq in E; now subst|reflexivity].
Qed.

(** * Symbols by their names (item 4) *)

(** An automaton over symbols of its own, read by the symbols of a model: [sym] lists for each the automaton's. *)
Definition renamed (b : dfa) (sym : list nat) : dfa :=
  Dfa (initial_state b) (fun q s => do s' <- nth_error sym s; next_state b q s') (state_label b).

Fixpoint distinct (names : list Label) : bool :=
  match names with
  | [] => true
  | x :: names' => if existsb (label_eqb x) names' then false else distinct names'
  end.

Fixpoint check_names (names : list Label) (sym : list nat) (theirs : list Label) : bool :=
  match names, sym with
  | [], [] => true
  | x :: names', s :: sym' =>
      match nth_error theirs s with
      | Some y => if label_eqb x y then check_names names' sym' theirs else false
      | None => false
      end
  | _, _ => false
  end.

Lemma distinct_nodup names : distinct names = true -> NoDup names.
Proof.
induction names as [|x names IH]; cbn; intros H; constructor.
- intros I; assert (existsb (label_eqb x) names = true) as E.
  { apply existsb_exists; exists x; split; [exact I|now apply label_eqb_eq]. }
  now rewrite E in H.
- destruct (existsb (label_eqb x) names); [discriminate|auto].
Qed.

(** Two words are of the same names. *)
Definition same_names (names theirs : list Label) (w w' : list nat) : Prop :=
  Forall2 (fun s s' => exists name, nth_error names s = Some name /\ nth_error theirs s' = Some name) w w'.

Lemma check_names_sound names : forall sym theirs, check_names names sym theirs = true -> NoDup theirs ->
  forall s s' name, nth_error names s = Some name -> nth_error theirs s' = Some name -> nth_error sym s = Some s'.
Proof.
induction names as [|x names IH]; intros [|t sym] theirs; cbn; try discriminate; intros H N s s' name A B.
- now destruct s.
- destruct (nth_error theirs t) as [y|] eqn:T; [|discriminate].
  cond H; apply label_eqb_eq in E; subst y.
  destruct s as [|s]; cbn in *; [|eauto].
  injection A as ->; f_equal.
  eapply NoDup_nth_error; [exact N| |congruence].
  apply nth_error_Some; congruence.
Qed.

Lemma renamed_after b sym names theirs w w' :
  (forall s s' name, nth_error names s = Some name -> nth_error theirs s' = Some name -> nth_error sym s = Some s') ->
  same_names names theirs w w' ->
  forall q, state_after (renamed b sym) q w = state_after b q w'.
Proof.
intros M; induction 1 as [|s s' w w' (name & A & B) _ IH]; intros q; cbn; [reflexivity|].
rewrite (M _ _ _ A B); cbn; destruct (next_state b q s'); [apply IH|reflexivity].
Qed.

(** * Certificates *)

(** The model's label is right on a word: w in the numbers of the model's symbols, w' in those of the automaton's. *)
Definition right_on_names (f : semantics) (m : model) (b : dfa) (w w' : list nat) : Prop :=
  exists c label margin q,
    run f m w = Some (c, label, margin) /\ state_after b (initial_state b) w' = Some q /\ right m b label q.

(** The claims, of a model with these names of symbols and an automaton with those. *)
Definition claims_proved f (m : model) (b : dfa) names theirs : Prop :=
  forall w w', same_names names theirs w w' -> right_on_names f m b w w'.
Definition claims_certified f (m : model) (b : dfa) names theirs n : Prop :=
  forall w w', length w <= n -> same_names names theirs w w' -> right_on_names f m b w w'.
Definition claims_refuted f (m : model) (b : dfa) names theirs w : Prop :=
  forall w', same_names names theirs w w' ->
  exists c label margin q,
    run f m w = Some (c, label, margin) /\ state_after b (initial_state b) w' = Some q /\ ~ right m b label q.

(** Behind w1 and w2 the model carries the same, and with the suffix the automaton has different labels for them: so any
    readout of what is carried behind w1 and w2, this one too, is wrong on one of the two words with the suffix. *)
Definition claims_lasso f (m : model) (b : dfa) names theirs w1 w2 suffix : Prop :=
  (exists hs l1 l2 g1 g2, run f m w1 = Some (Defined hs, l1, g1) /\ run f m w2 = Some (Defined hs, l2, g2)) /\
  forall w1' w2', same_names names theirs (w1 ++ suffix) w1' -> same_names names theirs (w2 ++ suffix) w2' ->
  (exists x1 x2 q1 q2, x1 <> x2 /\
    state_after b (initial_state b) w1' = Some q1 /\ state_label b q1 = Some (Some x1) /\
    state_after b (initial_state b) w2' = Some q2 /\ state_label b q2 = Some (Some x2)) /\
  (suffix <> [] -> ~ (right_on_names f m b (w1 ++ suffix) w1' /\ right_on_names f m b (w2 ++ suffix) w2')).

(** [a] is the automaton that the certificate holds, read by the model's symbols. Nothing is assumed of it. *)
Definition check_language (m : model) (b : dfa) (names : list Label) (sym : list nat) (theirs : list Label) (a : dfa)
    (e : pairing) : bool :=
  if length names =? symbols m then
    if distinct theirs then
      if check_names names sym theirs then check_same_language (symbols m) a (renamed b sym) e else false
    else false
  else false.

Lemma check_language_sound m b names sym theirs a e :
  check_language m b names sym theirs a e = true ->
  forall w w', same_names names theirs w w' ->
  word_of m w /\
  exists p q label, state_after a (initial_state a) w = Some p /\ state_after b (initial_state b) w' = Some q /\
    state_label a p = Some label /\ state_label b q = Some label.
Proof.
unfold check_language; intros H w w' N.
cond H; rename E into E1; cond H; rename E into D; cond H; rename E into C.
apply Nat.eqb_eq in E1; apply distinct_nodup in D.
pose proof (@check_names_sound names sym theirs C D) as M.
assert (W : word_of m w).
{ unfold word_of; rewrite <- E1; clear - N.
  induction N as [|s s' w w' (name & A & _) _ IH]; constructor; [|exact IH].
  apply nth_error_Some; congruence. }
split; [exact W|].
destruct (@check_same_language_sound (symbols m) a (renamed b sym) e H w W) as (p & q & label & A & B & X & Y).
exists p, q, label; split; [exact A|]; split; [|split; [exact X|exact Y]].
rewrite <- B; symmetry; exact (@renamed_after b sym names theirs w w' M N (initial_state b)).
Qed.

Lemma right_transfer (m : model) (a b : dfa) label p q x :
  state_label a p = Some x -> state_label b q = Some x -> right m a label p -> right m b label q.
Proof. intros A B (wanted & W & R); rewrite A in W; injection W as <-; exists x; auto. Qed.

Theorem closure_certificate f m b names sym theirs a e ts c bound :
  check_language m b names sym theirs a e = true ->
  check_closure f m a ts c bound = true ->
  match bound with
  | None => claims_proved f m b names theirs
  | Some n => claims_certified f m b names theirs n
  end.
Proof.
intros La Ch.
assert (R : forall w w', match bound with None => True | Some n => length w <= n end ->
                         same_names names theirs w w' -> right_on_names f m b w w').
{ intros w w' N S; destruct (@check_language_sound m b names sym theirs a e La w w' S) as (W & p & q & x & A & B & X & Y).
  destruct (@check_closure_sound f m a ts c bound Ch w W N) as (k & label & margin & p' & Ru & A' & Ri).
  rewrite A in A'; injection A' as <-.
  exists k, label, margin, q; split; [exact Ru|split; [exact B|exact (@right_transfer m a b label p q x X Y Ri)]]. }
destruct bound; intros w w'; [|intros S; now apply R]; intros N S; now apply R.
Qed.

Theorem invariant_certificate f m b names sym theirs a e ts hints t le :
  check_language m b names sym theirs a e = true ->
  check_invariant f m a ts hints t le = true ->
  claims_proved f m b names theirs.
Proof.
intros La Ch w w' S; destruct (@check_language_sound m b names sym theirs a e La w w' S) as (W & p & q & x & A & B & X & Y).
destruct (@check_invariant_sound f m a ts hints t le Ch w W) as (k & label & margin & p' & Ru & A' & Ri).
rewrite A in A'; injection A' as <-.
exists k, label, margin, q; split; [exact Ru|split; [exact B|exact (@right_transfer m a b label p q x X Y Ri)]].
Qed.

Theorem word_certificate f m b names sym theirs a e w unknown expected observed margin final :
  check_language m b names sym theirs a e = true ->
  check_word f m a w unknown expected observed margin final = true ->
  claims_refuted f m b names theirs w.
Proof.
intros La Ch w' S; destruct (@check_language_sound m b names sym theirs a e La w w' S) as (W & p & q & x & A & B & X & Y).
destruct (@check_word_sound f m a w unknown expected observed margin final Ch) as (_ & (c & label & g & p' & Ru & A' & _ & Wr) & _).
rewrite A in A'; injection A' as <-.
exists c, label, g, q; split; [exact Ru|split; [exact B|]].
intros R; apply Wr; exact (@right_transfer m b a label q p x Y X R).
Qed.

Lemma run_on_carried f (m : model) c l1 l2 g1 g2 w : w <> [] -> run_on f m (c, l1, g1) w = run_on f m (c, l2, g2) w.
Proof. destruct w; [congruence|reflexivity]. Qed.

Theorem lasso_certificate f m b names sym theirs a e w1 w2 suffix unknown e1 e2 observed meeting :
  check_language m b names sym theirs a e = true ->
  check_lasso f m a w1 w2 suffix unknown e1 e2 observed meeting = true ->
  claims_lasso f m b names theirs w1 w2 suffix.
Proof.
intros La Ch.
destruct (@check_lasso_sound f m a w1 w2 suffix unknown e1 e2 observed meeting Ch)
  as (W1 & W2 & Ne & hs & l1 & l2 & g1 & g2 & q1 & q2 & R1 & R2 & A1 & L1 & A2 & L2).
split; [exists hs, l1, l2, g1, g2; auto|].
intros w1' w2' S1 S2.
destruct (@check_language_sound m b names sym theirs a e La _ w1' S1) as (_ & p1 & r1 & x1 & P1 & B1 & X1 & Y1).
destruct (@check_language_sound m b names sym theirs a e La _ w2' S2) as (_ & p2 & r2 & x2 & P2 & B2 & X2 & Y2).
rewrite A1 in P1; injection P1 as <-; rewrite A2 in P2; injection P2 as <-.
rewrite L1 in X1; injection X1 as <-; rewrite L2 in X2; injection X2 as <-.
split; [exists e1, e2, r1, r2; auto 10|].
intros Ns [(c1 & k1 & h1 & t1 & U1 & T1 & V1) (c2 & k2 & h2 & t2 & U2 & T2 & V2)].
rewrite B1 in T1; injection T1 as <-; rewrite B2 in T2; injection T2 as <-.
rewrite run_app, R1 in U1; rewrite run_app, R2 in U2; cbn [bind] in U1, U2.
rewrite (run_on_carried f m (Defined hs) l1 l2 g1 g2 Ns), U2 in U1; injection U1 as -> -> ->.
destruct V1 as (v1 & Q1 & Z1); destruct V2 as (v2 & Q2 & Z2).
rewrite Y1 in Q1; injection Q1 as <-; rewrite Y2 in Q2; injection Q2 as <-.
destruct (Z1 _ eq_refl) as (i & E1 & N1); destruct (Z2 _ eq_refl) as (j & E2 & N2).
congruence.
Qed.

End Labels.

