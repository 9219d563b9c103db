//! Cancelling, unfit workers and copies of stragglers, against a real redis-server.

use fidelis_fleet::queue::{Declined, UnfitWorker};

use super::*;

/// I10: once nothing is queued, what was submitted is done, dead or cancelled.
fn assert_conserved(progress: Progress) {
    let Progress { submitted_chunks, done_chunks, dead_chunks, cancelled_chunks, queued, .. } = progress;
    assert_eq!(submitted_chunks, done_chunks + dead_chunks + cancelled_chunks + queued, "{progress:?}");
}

#[tokio::test]
async fn a_cancelled_run_leaves_the_queue_and_workers_hands() {
    let redis = Redis::start().await;
    let queue = redis.queue(LONG_MS).await;
    let (off, other) = (run("off", 0), run_of("other", "off", 0));
    queue.enqueue(&off, &[0, 1, 2]).await.unwrap();
    queue.enqueue(&other, &[0]).await.unwrap();
    let mut consumer = queue.consumer("a");
    let leases = consumer.leases();
    let done = claim(&mut consumer).await;
    assert!(leases.complete(&done, 4).await.unwrap());
    let held = claim(&mut consumer).await;
    assert!(leases.renew(&held).await.unwrap());
    assert_eq!(queue.cancel(&off).await.unwrap(), 2);
    assert_eq!(queue.cancel(&off).await.unwrap(), 0, "safe to repeat");
    assert!(!leases.renew(&held).await.unwrap(), "the worker learns it at its next renewal");
    let counts = progress(&queue, &off).await;
    assert!(counts.is_cancelled);
    assert_eq!((counts.queued, counts.done_chunks, counts.cancelled_chunks), (0, 1, 2));
    assert_conserved(counts);
    assert_eq!(queue.enqueue(&off, &[1, 2]).await.unwrap(), 0, "a watch does not bring it back");
    assert_eq!(claim(&mut consumer).await.task.run, other.id, "another run of the pool goes on");
    assert_eq!(try_claim(&mut consumer).await, None);
    // It had stored its chunk before it learnt of it: that is done, not cancelled.
    leases.complete(&held, 4).await.unwrap();
    let counts = progress(&queue, &off).await;
    assert_eq!((counts.done_chunks, counts.done_images, counts.cancelled_chunks), (2, 8, 1));
    assert_conserved(counts);
}

#[tokio::test]
async fn a_cancelled_run_can_be_submitted_again() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("back", 0));
    queue.enqueue(&run, &[0, 1]).await.unwrap();
    queue.cancel(&run).await.unwrap();
    assert!(queue.resume(&run.id).await.unwrap());
    assert!(!queue.resume(&run.id).await.unwrap());
    assert_eq!(queue.enqueue(&run, &[0, 1]).await.unwrap(), 2);
    let counts = progress(&queue, &run).await;
    assert_eq!((counts.is_cancelled, counts.cancelled_chunks, counts.queued), (false, 0, 2));
    assert_conserved(counts);
    let claim = claim(&mut queue.consumer("a")).await;
    assert_eq!((claim.task.chunk, claim.deliveries), (0, 1));
}

#[tokio::test]
async fn cancelling_looks_through_long_streams_and_every_pool() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("long", 0));
    let urgent = run_of("long", "long", 9);
    queue.enqueue(&run, &(0..2500).collect::<Vec<_>>()).await.unwrap();
    queue.enqueue(&urgent, &[2500]).await.unwrap();
    assert_eq!(queue.cancel(&run).await.unwrap(), 2501);
    assert_conserved(progress(&queue, &run).await);
    assert_eq!(try_claim(&mut queue.consumer("a")).await, None);
}

#[tokio::test]
async fn a_chunk_that_was_given_up_and_stored_all_the_same_is_done() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("zombie", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let mut consumer = queue.consumer("a");
    let leases = consumer.leases();
    let held = claim(&mut consumer).await;
    assert!(leases.give_up(&held, &failure("thought so")).await.unwrap());
    leases.complete(&held, 4).await.unwrap();
    let counts = progress(&queue, &run).await;
    assert_eq!((counts.dead_chunks, counts.done_chunks, counts.done_images), (0, 1, 4));
    assert_conserved(counts);
}

#[tokio::test]
async fn a_worker_that_cannot_does_not_kill_a_chunk_that_another_can() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("unfit", 0));
    queue.enqueue(&run, &[0, 1]).await.unwrap();
    let (mut able, mut unable) = (queue.consumer("able"), queue.consumer("unable"));
    let made = claim(&mut able).await;
    for reports in 1..10 {
        let declined = claim(&mut unable).await;
        assert_eq!((declined.task.chunk, declined.deliveries), (1, 1), "no blame");
        let verdict = unable.leases().decline(&declined, &failure("no such net")).await.unwrap();
        assert_eq!(verdict, Declined::Returned);
        let expected = UnfitWorker { reports, cause: "no such net".into() };
        assert_eq!(queue.unfit_workers(&run.id).await.unwrap(), [("unable".to_owned(), expected)]);
    }
    able.leases().complete(&made, 4).await.unwrap();
    assert_eq!(claim(&mut able).await.task.chunk, 1);
}

#[tokio::test]
async fn what_no_worker_can_make_is_dead_with_the_cause() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("nobody", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let (mut a, mut b) = (queue.consumer("a"), queue.consumer("b"));
    let failure = failure("no such net");
    for round in 1..=3 {
        let held = claim(&mut a).await;
        assert_eq!(
            a.leases().decline(&held, &failure).await.unwrap(),
            Declined::Returned,
            "b may be able to"
        );
        let held = claim(&mut b).await;
        let expected = if round < 3 { Declined::Returned } else { Declined::Dead };
        assert_eq!(b.leases().decline(&held, &failure).await.unwrap(), expected);
    }
    let dead = queue.dead_chunks(&run.id).await.unwrap();
    assert_eq!((dead.len(), dead[0].cause.as_str(), dead[0].deliveries), (1, "no such net", 1));
    assert_eq!(queue.enqueue(&run, &[0]).await.unwrap(), 1, "another chance");
    assert_eq!(queue.unfit_workers(&run.id).await.unwrap(), [], "and everybody is asked anew");
}

#[tokio::test]
async fn an_avoided_pool_is_left_to_others() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("avoided", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let mut consumer = queue.consumer("a");
    consumer.avoid(&run.spec.pool(), Duration::from_millis(400));
    assert_eq!(try_claim(&mut consumer).await, None);
    assert_eq!(claim(&mut consumer).await.task.chunk, 0, "for a while");
}

/// Long enough for a busy machine to renew in time.
const TAIL_MS: u64 = 500;

/// Renews a chunk for three leases.
async fn hold(consumer: &Consumer, claim: &Claim) {
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(3 * TAIL_MS) {
        assert!(consumer.leases().renew(claim).await.unwrap());
        sleep(Duration::from_millis(TAIL_MS / 20)).await;
    }
}

/// A chunk that somebody renews and never finishes, three that were quick, and nobody else's work left.
async fn straggler(redis: &Redis) -> (Queue, Run, Consumer, Claim) {
    let (queue, run) = (redis.queue(TAIL_MS).await, run("tail", 0));
    queue.enqueue(&run, &[0, 1, 2, 3]).await.unwrap();
    let mut quick = queue.consumer("quick");
    for _ in 0..3 {
        let claim = claim(&mut quick).await;
        quick.leases().complete(&claim, 4).await.unwrap();
    }
    let mut slow = queue.consumer("slow");
    let held = claim(&mut slow).await;
    hold(&slow, &held).await;
    (queue, run, slow, held)
}

#[tokio::test]
async fn an_idle_worker_takes_one_copy_of_a_straggler() {
    let redis = Redis::start().await;
    let (queue, run, slow, held) = straggler(&redis).await;
    let mut idle = queue.consumer("idle");
    let copy = try_claim(&mut idle).await.expect("a copy");
    assert!(copy.is_copy && copy.task == held.task);
    assert!(slow.leases().renew(&held).await.unwrap(), "it stays with its holder");
    assert!(idle.leases().renew(&copy).await.unwrap());
    assert!(!idle.leases().hand_back(&copy, "").await.unwrap(), "a copy is not its holder's to give back");
    assert_eq!(idle.leases().fail(&copy, &failure("x")).await.unwrap(), Verdict::Retry);
    assert!(slow.leases().renew(&held).await.unwrap(), "and its failure harms nobody");
    assert_eq!(try_claim(&mut queue.consumer("third")).await, None, "one copy at most");
    assert!(idle.leases().complete(&copy, 4).await.unwrap());
    assert!(!slow.leases().renew(&held).await.unwrap(), "the loser learns it at its next renewal");
    assert!(!slow.leases().complete(&held, 4).await.unwrap());
    let counts = progress(&queue, &run).await;
    assert_eq!((counts.done_chunks, counts.done_images, counts.copies), (4, 16, 1));
    assert_conserved(counts);
}

#[tokio::test]
async fn a_copy_ends_when_the_holder_was_faster() {
    let redis = Redis::start().await;
    let (queue, run, slow, held) = straggler(&redis).await;
    let mut idle = queue.consumer("idle");
    let copy = try_claim(&mut idle).await.expect("a copy");
    assert!(slow.leases().complete(&held, 4).await.unwrap());
    assert!(!idle.leases().renew(&copy).await.unwrap());
    assert_eq!(progress(&queue, &run).await.done_chunks, 4);
}

#[tokio::test]
async fn nobody_is_copied_while_there_is_work_or_no_measure() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(TAIL_MS).await, run("early", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let mut slow = queue.consumer("slow");
    let held = claim(&mut slow).await;
    hold(&slow, &held).await;
    assert_eq!(try_claim(&mut queue.consumer("idle")).await, None, "nobody knows how long a chunk takes");
}
