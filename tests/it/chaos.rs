//! The same effect as one call, shown by breaking things: callers, replicas of the proxy, a wire that fails on purpose, and
//! the fake AWS behind it, all of them real processes and real connections.
//!
//! A schedule is made from a seed; a run that fails prints the command that repeats the schedule.

mod ask;
mod caller;
mod content;
mod direct;
mod harm;
mod http1;
mod in_flight;
mod judge;
mod killed;
mod mesh;
mod record;
mod restart;
mod run;
mod schedule;
mod schedules;
mod wire;
mod world;
