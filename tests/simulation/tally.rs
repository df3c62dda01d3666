//! What has happened to the studies.

/// How often things happened.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub events: u64,
    pub records: u64,
    pub crashes: u64,
    pub torn_batches: u64,
    pub failed_segments: u64,
    pub refused_reports: u64,
    pub lost_checkpoints: u64,
    pub late_messages: u64,
    pub outages: u64,
    pub stops: u64,
    pub halts: u64,
    pub stopped_segments: u64,
    pub segments_ahead: u64,
    pub confirmations: u64,
}

impl Tally {
    fn numbers(&mut self) -> [&mut u64; 14] {
        [
            &mut self.events,
            &mut self.records,
            &mut self.crashes,
            &mut self.torn_batches,
            &mut self.failed_segments,
            &mut self.refused_reports,
            &mut self.lost_checkpoints,
            &mut self.late_messages,
            &mut self.outages,
            &mut self.stops,
            &mut self.halts,
            &mut self.stopped_segments,
            &mut self.segments_ahead,
            &mut self.confirmations,
        ]
    }

    pub fn add(&mut self, other: &Self) {
        for (sum, number) in self.numbers().into_iter().zip(other.clone().numbers()) {
            *sum += *number;
        }
    }

    pub fn all_happened(&self) -> bool {
        self.clone().numbers().iter().all(|number| **number > 0)
    }
}
