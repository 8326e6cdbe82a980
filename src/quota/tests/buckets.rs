//! One bucket: its pace, its debts, and a throttle.

use std::time::Duration;

use tokio::time::Instant;

use super::ms;
use crate::quota::bucket::Bucket;

/// When so many tokens can be taken one after the other, each as soon as it is there.
fn paced(bucket: &mut Bucket, start: Instant, count: usize) -> Vec<Duration> {
    let mut now = start;
    let mut take = || {
        now = bucket.ready_at(now);
        bucket.take(now);
        now - start
    };
    (0..count).map(|_| take()).collect()
}

#[test]
fn a_bucket_gives_a_quarter_of_a_seconds_worth_at_once_and_then_its_rate() {
    let start = Instant::now();
    // 20 a second: five at once, then one each 50 ms.
    let at = [0, 0, 0, 0, 0, 50, 100, 150, 200].map(ms);
    assert_eq!(paced(&mut Bucket::new(20, start), start, 9), at);
    // 5 a second: one and a quarter at once, then one each 200 ms.
    assert_eq!(paced(&mut Bucket::new(5, start), start, 4), [0, 150, 350, 550].map(ms));
    // One a second: a token is the least that a bucket holds.
    assert_eq!(paced(&mut Bucket::new(1, start), start, 3), [0, 1000, 2000].map(ms));
    // A rate whose pace is no whole number of nanoseconds is never exceeded.
    let taken = paced(&mut Bucket::new(7, start), start, 7 * 10 + 2);
    assert!(*taken.last().unwrap() >= Duration::from_secs(10), "{taken:?}");
}

#[test]
fn what_was_spent_on_credit_is_waited_for_and_what_was_not_spent_comes_back() {
    let start = Instant::now();
    let mut bucket = Bucket::new(20, start);
    for _ in 0..25 {
        bucket.take(start);
    }
    assert_eq!(bucket.ready_at(start) - start, ms(21 * 50), "five were there, 20 are owed, one more is needed");
    for _ in 0..25 {
        bucket.give_back(start);
    }
    assert_eq!(bucket, Bucket::new(20, start));
    assert!(bucket.is_idle(start));
    // More than was taken cannot be put back.
    bucket.give_back(start);
    assert_eq!(paced(&mut bucket, start, 6), [0, 0, 0, 0, 0, 50].map(ms));
}

#[test]
fn a_throttle_takes_three_tenths_of_the_rate_and_what_was_saved() {
    let start = Instant::now();
    let mut bucket = Bucket::new(10, start);
    bucket.throttled(start);
    // 7 a second, and from the next second on 7.2.
    let taken = paced(&mut bucket, start, 8);
    let seventh = Duration::from_nanos(142_857_143);
    assert_eq!(taken[0], seventh);
    assert!(taken[6] <= ms(1001) && taken[7] < taken[6] + seventh, "{taken:?}");
}

#[test]
fn throttles_of_requests_that_were_under_way_together_count_once() {
    let start = Instant::now();
    let pace = |throttles: &[u64]| {
        let mut bucket = Bucket::new(10, start);
        for at in throttles {
            bucket.throttled(start + ms(*at));
        }
        let now = start + ms(*throttles.last().unwrap());
        bucket.ready_at(now) - now
    };
    assert_eq!(pace(&[0]), Duration::from_nanos(142_857_143), "7 a second");
    assert_eq!(pace(&[0, 0, 0]), pace(&[0]));
    // A second later the share is 0.72, of which 0.504 are left.
    assert_eq!(pace(&[0, 1000]), Duration::from_nanos(198_412_699));
}

#[test]
fn however_often_aws_throttles_a_tenth_of_the_rate_is_left_and_the_rest_comes_back_slowly() {
    let start = Instant::now();
    let mut bucket = Bucket::new(10, start);
    let mut now = start;
    for _ in 0..100 {
        bucket.throttled(now);
        now += Duration::from_secs(1);
    }
    let last = now - Duration::from_secs(1);
    bucket.take(last);
    // One token is missing from a full bucket of two and a half, and one was taken: two at a tenth of the rate, which
    // grows by a fiftieth each second: 1 + 1.2 + 1.4 …
    assert_eq!(bucket.ready_at(last) - last, Duration::from_millis(1_833) + Duration::from_nanos(333_334));
    let whole = last + Duration::from_secs(45);
    assert!(!bucket.is_idle(whole - Duration::from_nanos(1)));
    assert!(bucket.is_idle(whole), "the whole rate is regained, and the bucket is full");
    assert_eq!(paced(&mut bucket, whole, 4), [0, 0, 50, 150].map(ms));
}
