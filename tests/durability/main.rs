//! Nothing that was acknowledged is lost, whatever happens to the scheduler, its workers, the machine and the disk.

#![allow(clippy::unwrap_used)]

mod by_hand;
mod damage;
mod database;
mod faults;
mod fsck;
mod full_disk;
mod journal_v1;
mod limits;
mod mount;
mod power_cut;
mod stopping;
mod wild;
