//! The findings of `hpo fsck`.

use crate::fsck::{Examination, Health};

/// The parts of a study, with a line for each finding.
pub fn examination(examination: &Examination) -> String {
    let mut text = format!("study in {}\n", examination.study.display());
    for sentence in &examination.repaired {
        text += &format!("repaired: {sentence}\n");
    }
    for part in &examination.parts {
        let health = match part.health {
            Health::Whole => "whole",
            Health::Note => "note",
            Health::Damaged => "DAMAGED",
        };
        for (k, finding) in part.findings.iter().enumerate() {
            let (part, health) = if k == 0 { (part.part, health) } else { ("", "") };
            text += &format!("  {part:<12} {health:<8} {finding}\n");
        }
    }
    text
}
