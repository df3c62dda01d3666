//! The loops that take most of the time: steps that are done to many numbers alike.
//!
//! They are compiled for the vectors of AVX2 too, which are twice as wide as what every x86-64 has, and taken where the processor has
//! these. The numbers are the same on all processors: nothing is fused or added in another order.

/// Sums that are formed at once, of which each takes every so manieth number.
const SUMS: usize = 8;

/// Points whose distances are computed at once.
const AT_ONCE: usize = 16;

/// Defines a function that is compiled for several instruction sets; a call takes the best one of the machine. What its body calls must
/// be `#[inline(always)]`.
macro_rules! vectorized {
    ($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        pub(crate) fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($argument: $type),*) $(-> $result)? {
                    body($($argument),*)
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the machine has it.
                    return unsafe { wide($($argument),*) };
                }
            }
            body($($argument),*)
        }
    };
}

vectorized! {
    /// The squares of the distances of points from another one. Of the points there is the first coordinate of all, then the second, and
    /// so on, `stride` of each; the first one meant is at `from`.
    fn squares(squares: &mut [f64], points: &[f64], stride: usize, from: usize, other: &[f64]) {
        let (chunks, last) = squares.as_chunks_mut::<AT_ONCE>();
        let end = from + AT_ONCE * chunks.len();
        for (start, chunk) in (from..).step_by(AT_ONCE).zip(chunks) {
            // All coordinates before the next points, so that sums need not go through memory.
            let mut sums = [0.0; AT_ONCE];
            for (coordinates, other) in points.chunks_exact(stride).zip(other) {
                for (sum, own) in sums.iter_mut().zip(&coordinates[start..start + AT_ONCE]) {
                    *sum += (own - other) * (own - other);
                }
            }
            *chunk = sums;
        }
        last.fill(0.0);
        for (coordinates, other) in points.chunks_exact(stride).zip(other) {
            for (sum, own) in last.iter_mut().zip(&coordinates[end..]) {
                *sum += (own - other) * (own - other);
            }
        }
    }
}

vectorized! {
    /// Matern 5/2 at the square roots of numbers, in their place.
    fn matern(squares: &mut [f64]) {
        for value in squares {
            *value = matern_at(value.sqrt()).0;
        }
    }
}

vectorized! {
    /// The same, and for each minus its derivative by the distance, divided by the distance.
    fn matern_and_slopes(squares: &mut [f64], slopes: &mut [f64]) {
        for (value, slope) in squares.iter_mut().zip(slopes) {
            (*value, *slope) = matern_at(value.sqrt());
        }
    }
}

vectorized! {
    /// The sum of the products of as many numbers.
    fn dot(weights: &[f64], numbers: &[f64]) -> f64 {
        weighed(weights, numbers, |number| number)
    }
}

vectorized! {
    /// The weighed sum of the squares of how far numbers are from another one.
    fn weighed_squares(weights: &[f64], numbers: &[f64], from: f64) -> f64 {
        weighed(weights, numbers, |number| (number - from) * (number - from))
    }
}

/// The sum of weights times what a function makes of as many numbers.
#[inline(always)]
fn weighed(weights: &[f64], numbers: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let (weights, last_weights) = weights.as_chunks::<SUMS>();
    let (numbers, last_numbers) = numbers.as_chunks::<SUMS>();
    let mut sums = [0.0; SUMS];
    for (weights, numbers) in weights.iter().zip(numbers) {
        for (sum, (weight, number)) in sums.iter_mut().zip(weights.iter().zip(numbers)) {
            *sum += weight * of(*number);
        }
    }
    let last = last_weights.iter().zip(last_numbers);
    let last: f64 = last.map(|(weight, number)| weight * of(*number)).sum();
    sums.iter().sum::<f64>() + last
}

/// Matern 5/2 at a distance, and minus its derivative, divided by the distance.
#[inline(always)]
fn matern_at(distance: f64) -> (f64, f64) {
    let d = 5f64.sqrt() * distance;
    let decay = exponential(-d);
    ((1.0 + d + d * d * (1.0 / 3.0)) * decay, 5.0 / 3.0 * (1.0 + d) * decay)
}

/// Below it there is nothing but 0, to all that covariances are used for.
const LEAST: f64 = -700.0;
/// Added to a number far smaller than it, it leaves the nearest integer in the last bits; and the exponent's bias with it.
const ROUND: f64 = 6_755_399_441_055_744.0;
const BIAS: f64 = 1023.0;
/// The logarithm of 2, in two parts: integers up to 2^20 times the first are exact.
const LN_2: (f64, f64) = (f64::from_bits(0x3fe6_2e42_fee0_0000), 1.908_214_929_270_587_7e-10);

/// One by the factorials of 12 to 0: Taylor's series, which up to half the logarithm of 2 is as good as any.
const TERMS: [f64; 13] = {
    let mut terms = [1.0; 13];
    let mut factorial = 1.0;
    let mut place = 1;
    while place < 13 {
        factorial *= place as f64;
        terms[12 - place] = 1.0 / factorial;
        place += 1;
    }
    terms
};

/// e to a power up to 700, within 1e-15 of its size, without branches or tables; powers below -700 count as -700.
#[inline(always)]
fn exponential(x: f64) -> f64 {
    let x = if x < LEAST { LEAST } else { x };
    let shifted = x * std::f64::consts::LOG2_E + (ROUND + BIAS);
    let twos = shifted - (ROUND + BIAS);
    let rest = (x - twos * LN_2.0) - twos * LN_2.1;
    let mut sum = TERMS[0];
    for term in &TERMS[1..] {
        sum = sum * rest + term;
    }
    sum * f64::from_bits(shifted.to_bits() << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_e_are_those_of_the_standard_library() {
        for number in 0..=1_400_000 {
            let x = f64::from(number) * 1e-3 - 700.0;
            assert!((exponential(x) / x.exp() - 1.0).abs() < 1e-15, "{x}");
        }
        assert_eq!((exponential(0.0), exponential(-0.0)), (1.0, 1.0));
        assert!(exponential(-1e9) < 1e-300 && exponential(f64::NEG_INFINITY) < 1e-300);
        assert!(exponential(f64::NAN).is_nan());
    }

    #[test]
    fn sums_have_all_numbers_wherever_vectors_end() {
        for count in 0..40u32 {
            let numbers: Vec<f64> = (0..count).map(f64::from).collect();
            let squares: f64 = numbers.iter().map(|number| number * number).sum();
            assert_eq!(dot(&numbers, &numbers), squares);
            assert_eq!(weighed_squares(&vec![1.0; numbers.len()], &numbers, 0.0), squares);
        }
    }

    #[test]
    fn the_same_numbers_come_of_all_instruction_sets() {
        let numbers: Vec<f64> = (0..77).map(|number| (f64::from(number) * 0.37).sin() * 9.0).collect();
        let (mut sums, mut slopes) = (vec![0.0; 35], vec![0.0; 35]);
        squares(&mut sums, &numbers[..76], 38, 3, &[0.3, 0.4]);
        let square = |number: f64| number * number;
        let expected = |place: usize| square(numbers[place] - 0.3) + square(numbers[place + 38] - 0.4);
        let expected: Vec<f64> = (3..38).map(expected).collect();
        assert_eq!(sums, expected);
        matern_and_slopes(&mut sums, &mut slopes);
        let expected: Vec<(f64, f64)> = expected.into_iter().map(|square| matern_at(square.sqrt())).collect();
        assert_eq!(sums.into_iter().zip(slopes).collect::<Vec<_>>(), expected);
        assert_eq!(dot(&numbers, &numbers), weighed(&numbers, &numbers, |number| number));
    }
}
