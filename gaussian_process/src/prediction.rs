//! What a process expects at many places, of which the most promising ones are sought one after the other.

use nalgebra::DMatrix;

use crate::factor::BLOCK;
use crate::kernel::Places;
use crate::process::Process;
use crate::vectors::dot;

/// So many of the points, the first ones, say how sure the process is at least, before it is known exactly.
const FIRST: usize = 2 * BLOCK;
/// Places of which it becomes known at once.
const AT_ONCE: usize = 32;

/// Mean and variance of the cost without noise at some places of a rung. Variances are the most work by far, and become known where they
/// are asked for.
#[derive(Debug, Clone)]
pub struct Prediction {
    process: Process,
    places: Places,
    /// The mean at each place.
    means: Vec<f64>,
    /// The variance at each place, or more than it, if it is not known.
    variances: Vec<f64>,
    known: Vec<bool>,
    /// How the points covary with each place, a column for each, divided by the factor of the process: of places whose variance is not
    /// known the first rows only.
    divided: DMatrix<f64>,
    imagined: Vec<Imagined>,
}

/// A place that is taken as observed.
#[derive(Debug, Clone)]
struct Imagined {
    place: usize,
    deviation: f64,
    /// How its cost covaries with that of every place whose variance is known, divided by the deviation.
    covariances: Vec<f64>,
}

impl Prediction {
    /// What a process expects at some places of a rung.
    pub fn new(process: Process, places: &[Vec<f64>], rung: usize) -> Self {
        let places = process.places_at(places, rung);
        let points = process.places.count();
        let mut divided = DMatrix::zeros(points, places.count());
        for (j, column) in divided.as_mut_slice().chunks_exact_mut(points).enumerate() {
            process.kernel.covariances(&process.places, 0, &places, j, column);
        }
        let means = divided.as_slice().chunks_exact(points);
        let means = means.map(|column| dot(process.weights.as_slice(), column)).collect();
        process.factor.divide(&mut divided, &(0..FIRST.min(points)));
        let mut prediction = Self {
            variances: vec![0.0; places.count()],
            known: vec![false; places.count()],
            means,
            divided,
            places,
            process,
            imagined: Vec::new(),
        };
        (0..prediction.places.count())
            .for_each(|place| prediction.variances[place] = prediction.variance_by(place, FIRST));
        prediction
    }

    /// The variance at a place by so many of the points.
    fn variance_by(&self, place: usize, points: usize) -> f64 {
        let column = self.column(place);
        let seen = &column[..points.min(column.len())];
        (self.process.kernel.signal() - dot(seen, seen)).max(0.0)
    }

    fn column(&self, place: usize) -> &[f64] {
        let points = self.divided.nrows();
        &self.divided.as_slice()[place * points..(place + 1) * points]
    }

    /// The mean at a place.
    pub fn mean(&self, place: usize) -> f64 {
        self.means[place]
    }

    /// The variance at a place.
    pub fn variance(&mut self, place: usize) -> f64 {
        self.know(&[place]);
        self.variances[place]
    }

    /// The place with the highest score by its number, mean and variance, the first one of those with the same; none if no place is
    /// allowed. A score with a lower variance must not be higher by more than `slack`.
    pub fn highest(
        &mut self,
        score: impl Fn(usize, f64, f64) -> f64,
        slack: f64,
        allowed: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let score = |own: &Self, place: usize| score(place, own.means[place], own.variances[place]);
        let most = |place| score(self, place) + if self.known[place] { 0.0 } else { slack };
        let mut order: Vec<(f64, usize)> = (0..self.means.len()).map(|place| (most(place), place)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut best: Option<(f64, usize)> = None;
        let mut rest = order.into_iter().filter(|(_, place)| allowed(*place)).peekable();
        while rest
            .peek()
            .is_some_and(|(most, _)| best.is_none_or(|(best, _)| *most >= best))
        {
            let places: Vec<usize> = rest.by_ref().take(AT_ONCE).map(|(_, place)| place).collect();
            self.know(&places);
            let scores = places.into_iter().map(|place| (score(self, place), place));
            best = best
                .into_iter()
                .chain(scores)
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        }
        best.map(|(_, place)| place)
    }

    /// Makes the variances at some places known.
    fn know(&mut self, places: &[usize]) {
        let places: Vec<usize> = places.iter().copied().filter(|place| !self.known[*place]).collect();
        if places.is_empty() {
            return;
        }
        let points = self.divided.nrows();
        let mut columns = self.divided.select_columns(&places);
        self.process.factor.divide(&mut columns, &(FIRST.min(points)..points));
        for (&place, column) in places.iter().zip(columns.column_iter()) {
            self.divided.set_column(place, &column);
            self.variances[place] = self.variance_by(place, points);
            self.known[place] = true;
        }
        let imagined = std::mem::take(&mut self.imagined);
        for mut own in imagined {
            self.cover(&mut own, &places);
            self.imagined.push(own);
        }
    }

    /// Takes one of the places as observed, at its mean: the others become more certain, and no mean moves (kriging
    /// believer; Ginsbourger et al., 2010, section 4.2).
    pub fn imagine(&mut self, place: usize) {
        let mut own = Imagined {
            place,
            deviation: (self.variance(place) + self.process.kernel.noise).sqrt(),
            covariances: vec![0.0; self.means.len()],
        };
        let known: Vec<usize> = (0..self.means.len()).filter(|place| self.known[*place]).collect();
        self.cover(&mut own, &known);
        self.imagined.push(own);
    }

    /// Lowers the variances at some places by what an imagined observation says of them, after those that were imagined before it.
    fn cover(&mut self, own: &mut Imagined, places: &[usize]) {
        let chosen = self.places.some(places);
        let mut covariances = vec![0.0; places.len()];
        let kernel = &self.process.kernel;
        kernel.covariances(&chosen, 0, &self.places, own.place, &mut covariances);
        for (covariance, &place) in covariances.iter_mut().zip(places) {
            *covariance -= dot(self.column(own.place), self.column(place));
            for before in &self.imagined {
                *covariance -= before.covariances[own.place] * before.covariances[place];
            }
            *covariance /= own.deviation;
            own.covariances[place] = *covariance;
            self.variances[place] = (self.variances[place] - *covariance * *covariance).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyperparameters::{Hyperparameters, Point, Search};
    use crate::tests::points;

    fn process(points: &[Point], fitted: &[Point]) -> Process {
        Process::new(&Hyperparameters::fit(fitted, Search::QuasiNewton), points, 2).unwrap()
    }

    #[test]
    fn it_is_sure_where_it_has_seen_and_not_elsewhere() {
        let points = points();
        let seen = points[3].features.clone();
        let mut prediction = Prediction::new(process(&points, &points), &[seen, vec![0.5, 5.0]], points[3].rung);
        assert!((prediction.mean(0) - points[3].cost).abs() < 0.2);
        assert!(prediction.variance(0) < 0.1 * prediction.variance(1));
    }

    #[test]
    fn what_is_imagined_at_its_mean_makes_surer_as_if_it_had_been_seen() {
        let points = points();
        let places = vec![vec![0.33, 0.8], vec![0.36, 0.7], vec![0.9, 0.1]];
        let mut prediction = Prediction::new(process(&points, &points), &places, 2);
        let mut all = points.clone();
        // Of the last place the variance is asked for only after all has been imagined.
        for place in [0, 1] {
            let (features, cost) = (places[place].clone(), prediction.mean(place));
            all.push(Point {
                features,
                rung: 2,
                cost,
            });
            prediction.imagine(place);
        }
        let mut expected = Prediction::new(process(&all, &points), &places, 2);
        for place in 0..3 {
            assert!((prediction.variance(place) - expected.variance(place)).abs() < 1e-6);
            assert!((prediction.mean(place) - expected.mean(place)).abs() < 1e-6);
        }
    }

    #[test]
    fn the_highest_score_is_found_without_all_variances() {
        let waves = |number: usize, by: f64| ((number as f64 * by).sin() + 1.0) / 2.0;
        let place = |number| [1.7, 2.9, 4.3].map(|by| waves(number, by)).to_vec();
        let point = |number| Point {
            features: place(number),
            rung: number % 3,
            cost: 4.0 * place(number).iter().map(|x| (x - 0.4).powi(2)).sum::<f64>() - 1.0,
        };
        let points: Vec<Point> = (0..150).map(point).collect();
        let places: Vec<Vec<f64>> = (1000..1400).map(place).collect();
        let score = |_: usize, mean: f64, variance: f64| variance.sqrt() - mean;
        let mut prediction = Prediction::new(process(&points, &points), &places, 2);
        let mut all = prediction.clone();
        for _ in 0..5 {
            let highest = prediction.highest(score, 0.0, |place| place % 7 != 3).unwrap();
            let allowed = (0..places.len()).filter(|place| place % 7 != 3);
            let scores = allowed.map(|place| (score(place, all.mean(place), all.variance(place)), place));
            let expected = scores.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            assert_eq!(highest, expected.1);
            prediction.imagine(highest);
            all.imagine(highest);
        }
        let known = prediction.known.iter().filter(|known| **known).count();
        assert!(known < places.len() / 2, "{known}");
        assert_eq!(prediction.highest(score, 0.0, |_| false), None);
    }
}
