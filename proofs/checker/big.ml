(* Coq's binary integers as Zarith's, for Extract.v. Trusted: each line is the function that its Coq namesake is. *)
type t = Z.t

let zero = Z.zero
let one = Z.one
let double p = Z.shift_left p 1
let double_plus_one p = Z.succ (Z.shift_left p 1)

let positive_case on_odd on_even on_one p =
  if Z.equal p Z.one then on_one ()
  else if Z.is_even p then on_even (Z.shift_right p 1)
  else on_odd (Z.shift_right p 1)

let n_case on_zero on_positive n = if Z.sign n = 0 then on_zero () else on_positive n

let z_case on_zero on_positive on_negative z =
  let s = Z.sign z in
  if s = 0 then on_zero () else if s > 0 then on_positive z else on_negative (Z.neg z)

let compare_case eq lt gt a b =
  let c = Z.compare a b in
  if c = 0 then eq else if c < 0 then lt else gt

let add = Z.add
let sub = Z.sub
let mul = Z.mul
let opp = Z.neg
let abs = Z.abs
let succ = Z.succ
let equal = Z.equal
let leq = Z.leq
let lt = Z.lt
let max = Z.max
let min = Z.min
let logand = Z.logand
let logor = Z.logor
let log2 z = if Z.sign z <= 0 then Z.zero else Z.of_int (Z.numbits z - 1)
let size p = Z.of_int (Z.numbits p)
let pow a b = if Z.sign b < 0 then Z.zero else Z.pow a (Z.to_int b)

(* Of a negative count, as in Coq: a shift to the right that rounds down. *)
let shiftl a b = if Z.sign b >= 0 then Z.shift_left a (Z.to_int b) else Z.shift_right a (Z.to_int (Z.neg b))

(* Rounding towards minus infinity; by zero, quotient 0 and the dividend as remainder (Coq 8.14 and later). *)
let div_eucl a b =
  if Z.sign b = 0 then (Z.zero, a)
  else
    let q = Z.fdiv a b in
    (q, Z.sub a (Z.mul q b))

let modulo a b = snd (div_eucl a b)
