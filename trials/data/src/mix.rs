//! Mixing numbers. What comes of it is part of studies and checkpoints, so it is ours: that of a library may change with
//! its version.

/// The output of SplitMix64 for a state (Steele et al., 2014): every bit of it depends on every bit of `state`.
pub fn mix(state: u64) -> u64 {
    finalise(state.wrapping_add(0x9E37_79B9_7F4A_7C15))
}

/// The finaliser of SplitMix64 alone, for numbers that are a hash already. It is one to one, and 0 stays 0.
pub fn finalise(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        // The first three of the generator with the seed 1234567, whose state grows by the constant each time.
        let seed = 1_234_567u64;
        let state = |n: u64| seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let drawn: Vec<u64> = (0..3).map(|n| mix(state(n))).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
        assert_eq!(finalise(0), 0);
    }
}
