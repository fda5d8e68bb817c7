// erf in f32: below 1 an odd polynomial; above, 1 − e^(−x²)·Q(x), where Q approximates e^(x²)·erfc(x) on [1, 4]
// with a weight that lets the error of the result stay below 2^−25. Fits as in exp.ts. Largest error 1.30 ulp.
import { abs, add, atMost, copysign, ifLess, k, mul, neg, sub } from "./lane";
import { decay } from "./exp";

@inline export function erf<T>(x: T): T {
  let z = mul<T>(x, x);
  let p = add<T>(mul<T>(k<T>(0.00007932759035611525), z), k<T>(-0.0008034926722757518));
  p = add<T>(mul<T>(p, z), k<T>(0.005191280040889978));
  p = add<T>(mul<T>(p, z), k<T>(-0.026855478063225746));
  p = add<T>(mul<T>(p, z), k<T>(0.11283629387617111));
  p = add<T>(mul<T>(p, z), k<T>(-0.37612631916999817));
  p = add<T>(mul<T>(p, z), k<T>(0.12837916709551256)); // 2/√π − 1
  let small = add<T>(mul<T>(p, x), x);
  let a = atMost<T>(abs<T>(x), k<T>(4));
  let u = sub<T>(a, k<T>(2));
  let q = add<T>(mul<T>(k<T>(-0.0004060327773913741), u), k<T>(0.0005358868511393666));
  q = add<T>(mul<T>(q, u), k<T>(-0.0015933618415147066));
  q = add<T>(mul<T>(q, u), k<T>(0.005598255433142185));
  q = add<T>(mul<T>(q, u), k<T>(-0.015485608950257301));
  q = add<T>(mul<T>(q, u), k<T>(0.04176758974790573));
  q = add<T>(mul<T>(q, u), k<T>(-0.10680074244737625));
  q = add<T>(mul<T>(q, u), k<T>(0.25539612770080566));
  let large = copysign<T>(sub<T>(k<T>(1), mul<T>(q, decay<T>(neg<T>(mul<T>(a, a))))), x);
  return ifLess<T>(abs<T>(x), k<T>(1), small, large);
}
