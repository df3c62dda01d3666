//! Loops that the compiler turns into the machine's vector instructions, and the functions that they need.

/// Numbers that a kernel works on at a time: the widest vector there is.
pub const LANES: usize = 16;

/// The instruction sets that kernels are compiled for.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// AVX-512.
    Wide,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// What every x86-64 has.
    Base,
}

/// The best instruction set of this machine.
#[cfg(target_arch = "x86_64")]
pub fn level() -> Level {
    // The standard library caches what it detects.
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
    {
        Level::Wide
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        Level::Avx2
    } else {
        Level::Base
    }
}

/// The vector instructions that kernels use on this machine.
pub fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    return match level() {
        Level::Wide => "AVX-512",
        Level::Avx2 => "AVX2",
        Level::Base => "those of every x86-64",
    };
    #[cfg(not(target_arch = "x86_64"))]
    "those that every machine of this kind has"
}

/// Defines a function that is compiled for several instruction sets; a call takes the best one of the machine. In its
/// body the constant named in brackets says whether there is a fused multiply-add; what it calls must be
/// `#[inline(always)]`.
macro_rules! kernel {
    ($(#[$meta:meta])* pub fn $name:ident[$fma:ident]($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        pub fn $name($($argument: $type),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<const $fma: bool>($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($argument: $type),*) {
                    body::<true>($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($argument: $type),*) {
                    body::<true>($($argument),*)
                }
                match $crate::model::native::vector::level() {
                    // SAFETY: the machine has these features.
                    $crate::model::native::vector::Level::Wide => unsafe { wide($($argument),*) },
                    // SAFETY: as above.
                    $crate::model::native::vector::Level::Avx2 => unsafe { avx2($($argument),*) },
                    $crate::model::native::vector::Level::Base => body::<false>($($argument),*),
                }
            }
            // Elsewhere (aarch64) the base has vectors and fused multiply-add.
            #[cfg(not(target_arch = "x86_64"))]
            body::<{ cfg!(target_arch = "aarch64") }>($($argument),*)
        }
    };
}
pub(crate) use kernel;

/// `a * b + c`; rounded once if the machine can do so at once.
#[inline(always)]
pub fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` within 2 units in the last place for -87 <= x <= 88, and the value at the bound beyond; NaN stays.
#[inline(always)]
pub fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding it leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // The logarithm of 2 in two parts, so that `n` times the first is exact.
    const HIGH: f32 = 355.0 / 512.0;
    const LOW: f32 = -2.121_944_4e-4;
    // Comparisons, since `max` would turn NaN into a number.
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FMA>(n, -LOW, fma::<FMA>(n, -HIGH, x));
    // The polynomial of Cephes' expf (Moshier).
    let mut p = fma::<FMA>(1.987_569_2e-4, r, 1.398_199_9e-3);
    p = fma::<FMA>(p, r, 8.333_452e-3);
    p = fma::<FMA>(p, r, 4.166_579_6e-2);
    p = fma::<FMA>(p, r, 1.666_666_5e-1);
    p = fma::<FMA>(p, r, 0.5);
    let p = fma::<FMA>(p, r * r, r) + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000))
}

/// The error function within 4e-7; NaN stays. The rational approximation that Eigen uses.
#[inline(always)]
pub fn erf<const FMA: bool>(x: f32) -> f32 {
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let square = x * x;
    let mut p = fma::<FMA>(-2.726_142_3e-10, square, 2.770_681_4e-8);
    p = fma::<FMA>(p, square, -2.101_024e-6);
    p = fma::<FMA>(p, square, -5.692_506_5e-5);
    p = fma::<FMA>(p, square, -7.349_906_3e-4);
    p = fma::<FMA>(p, square, -2.954_6e-3);
    p = fma::<FMA>(p, square, -1.609_603_4e-2);
    let mut q = fma::<FMA>(-1.456_607_2e-5, square, -2.133_740_5e-4);
    q = fma::<FMA>(q, square, -1.682_827e-3);
    q = fma::<FMA>(q, square, -7.373_329_3e-3);
    q = fma::<FMA>(q, square, -1.426_473_9e-2);
    x * p / q
}

/// The sum of `f` over two equally long slices.
#[inline(always)]
pub fn sum(left: &[f32], right: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            lanes[lane] += f(left[lane], right[lane]);
        }
    }
    let rest: f32 = left_rest
        .iter()
        .zip(right_rest)
        .map(|(&left, &right)| f(left, right))
        .sum();
    // In halves, as a vector instruction would.
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0] + rest
}

/// The greatest number of whole vectors; NaN is passed over.
#[inline(always)]
pub fn max(numbers: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in numbers.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] {
                chunk[lane]
            } else {
                lanes[lane]
            };
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    kernel! {
        pub fn functions[FMA](input: &[f32], exps: &mut [f32], erfs: &mut [f32]) {
            for ((&x, one), two) in input.iter().zip(exps).zip(erfs) {
                *one = exp::<FMA>(x);
                *two = erf::<FMA>(x);
            }
        }
    }

    #[test]
    fn exp_and_erf_are_exact_to_rounding() {
        let input: Vec<f32> = (-87_000..=88_000).map(|x| x as f32 / 1000.0 + 1e-5).collect();
        let mut exps = vec![0.0; input.len()];
        let mut erfs = exps.clone();
        functions(&input, &mut exps, &mut erfs);
        let exact: Vec<f64> = Vec::try_from(Tensor::from_slice(&input).to_kind(tch::Kind::Double).erf()).unwrap();
        for (((x, one), two), erf) in input.iter().zip(exps).zip(erfs).zip(exact) {
            let exp = f64::from(*x).exp();
            if *x < 87.9 && *x > -86.9 {
                assert!(
                    (f64::from(one) / exp - 1.0).abs() < 2.4e-7,
                    "exp({x}) is {one}, not {exp}"
                );
            }
            assert!((f64::from(two) - erf).abs() < 4e-7, "erf({x}) is {two}, not {erf}");
        }
    }

    #[test]
    fn bounds_hold_and_nan_stays() {
        let input = [f32::NEG_INFINITY, -1e4, 0.0, 1e4, f32::NAN];
        let (mut exps, mut erfs) = ([0.0; 5], [0.0; 5]);
        functions(&input, &mut exps, &mut erfs);
        assert!(exps[0] < 1e-37 && exps[1] < 1e-37 && exps[3] > 1e38);
        assert_eq!((exps[2], erfs[2]), (1.0, 0.0));
        assert!((erfs[1] + 1.0).abs() < 1e-6 && (erfs[3] - 1.0).abs() < 1e-6);
        assert!(exps[4].is_nan() && erfs[4].is_nan());
    }

    #[test]
    fn sums_heed_the_rest() {
        let numbers: Vec<f32> = (1..=37).map(|x| x as f32).collect();
        assert_eq!(sum(&numbers, &numbers, |x, _| x), 703.0);
    }
}
