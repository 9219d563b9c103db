//! The queue against a real redis-server.

mod operations;
mod redis;

use std::time::{Duration, Instant};

use fidelis_contract::{
    ids::Digest,
    outcome::Outcome,
    run::Run,
    spec::{ResolvedSpec, RunSpec},
};
use fidelis_fleet::queue::{Claim, Consumer, Failure, Progress, Queue, QueueError, QueueSettings, Verdict};
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

use crate::redis::Redis;

/// Longer than any test: nothing expires.
const LONG_MS: u64 = 60_000;
const SHORT_MS: u64 = 150;

/// Ten images in three chunks.
fn run(name: &str, priority: u8) -> Run {
    run_of(name, name, priority)
}

/// The same of a net: the pool is its.
fn run_of(name: &str, net: &str, priority: u8) -> Run {
    let net = Digest::of(net.as_bytes());
    let text = format!(
        "name = \"{name}\"\nseeds = \"0-9\"\nchunk_size = 4\nmicro_batch = 4\npriority = {priority}\n\
         net = {{ path = \"n\", sha256 = \"{net}\" }}\noutputs = {{ latents = true }}"
    );
    Run::new(ResolvedSpec::new(RunSpec::from_toml(&text, "test").unwrap()).unwrap())
}

async fn try_claim(consumer: &mut Consumer) -> Option<Claim> {
    consumer.claim(Duration::ZERO).await.unwrap()
}

async fn claim(consumer: &mut Consumer) -> Claim {
    let waited = timeout(Duration::from_secs(20), consumer.claim(Duration::from_secs(20)));
    waited.await.expect("in time").unwrap().expect("a chunk")
}

async fn progress(queue: &Queue, run: &Run) -> Progress {
    queue.progress(&run.id).await.unwrap().expect("a known run")
}

fn failure(cause: &str) -> Failure {
    Failure { cause: cause.into(), device: "cpu".into(), log: vec!["last words".into()] }
}

#[tokio::test]
async fn enqueue_is_idempotent() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("once", 0));
    assert_eq!(queue.progress(&run.id).await.unwrap(), None);
    assert_eq!(queue.enqueue(&run, &[0, 1]).await.unwrap(), 2);
    assert_eq!(queue.enqueue(&run, &[0, 1, 2]).await.unwrap(), 1);
    let claim = claim(&mut queue.consumer("a")).await;
    assert_eq!(queue.enqueue(&run, &[claim.task.chunk]).await.unwrap(), 0, "in a worker's hands is queued");
    let stream = format!("fidelis:stream:{}", run.spec.pool());
    assert_eq!(redis.raw::<u64>(&["XLEN", &stream]).await, 3);
    let many: Vec<u32> = (0..1234).collect();
    assert_eq!(queue.enqueue(&run, &many).await.unwrap(), 1231, "over several batches");
}

/// What is told of a chunk in hand is seen by those who watch, and goes when the chunk is done or in no hands.
#[tokio::test]
async fn how_far_a_chunk_is_can_be_seen() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("far", 0));
    queue.enqueue(&run, &[0, 1]).await.unwrap();
    let (mut first, mut second) = (queue.consumer("a"), queue.consumer("b"));
    let (leases, others) = (first.leases(), second.leases());
    let (done, back) = (claim(&mut first).await, claim(&mut second).await);
    assert!(leases.tell_made(&done, 2).await.unwrap() && leases.tell_made(&done, 3).await.unwrap());
    assert!(others.tell_made(&back, 1).await.unwrap());
    assert!(!leases.tell_made(&back, 9).await.unwrap(), "in other hands");
    let making = async || {
        let seen = progress(&queue, &run).await;
        (seen.done_images, seen.making_workers, seen.making_images)
    };
    assert_eq!(making().await, (0, 2, 4));
    assert!(leases.complete(&done, 4).await.unwrap());
    assert_eq!(making().await, (4, 1, 1), "counted once");
    assert!(!leases.tell_made(&done, 4).await.unwrap(), "too late");
    others.hand_back(&back, "").await.unwrap();
    assert_eq!(making().await, (4, 0, 0));
    let again = claim(&mut first).await;
    assert!(leases.tell_made(&again, 2).await.unwrap());
    assert!(leases.give_up(&again, &failure("no use")).await.unwrap());
    assert_eq!(making().await, (4, 0, 0));
    queue.enqueue(&run, &[1]).await.unwrap();
    let cancelled = claim(&mut first).await;
    assert!(leases.tell_made(&cancelled, 2).await.unwrap());
    queue.cancel(&run).await.unwrap();
    assert_eq!(making().await, (4, 0, 0));
}

#[tokio::test]
async fn claim_and_complete() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("done", 0));
    queue.enqueue(&run, &[0, 1]).await.unwrap();
    let mut consumer = queue.consumer("a");
    let leases = consumer.leases();
    for chunk in 0..2 {
        let claim = claim(&mut consumer).await;
        assert_eq!((claim.task.chunk, claim.deliveries), (chunk, 1));
        assert_eq!((&claim.task.run, claim.task.spec_digest), (&run.id, run.spec.digest()));
        assert!(leases.complete(&claim, 4).await.unwrap());
        assert!(!leases.complete(&claim, 4).await.unwrap(), "acknowledged already");
    }
    assert_eq!(try_claim(&mut consumer).await, None);
    let expected = Progress {
        done_chunks: 2,
        done_images: 8,
        submitted_chunks: 2,
        num_chunks: 3,
        num_images: 10,
        ..Progress::default()
    };
    assert_eq!(progress(&queue, &run).await, expected);
    queue.enqueue(&run, &[0]).await.unwrap();
    let again = claim(&mut consumer).await;
    assert!(leases.complete(&again, 4).await.unwrap());
    assert_eq!(progress(&queue, &run).await, expected, "a chunk counts once");
}

#[tokio::test]
async fn an_expired_lease_is_reclaimed() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(SHORT_MS).await, run("expire", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let (mut a, mut b) = (queue.consumer("a"), queue.consumer("b"));
    let lost = claim(&mut a).await;
    assert_eq!(try_claim(&mut b).await, None, "the lease holds");
    let taken = claim(&mut b).await;
    assert_eq!((&taken.id, taken.deliveries), (&lost.id, 2));
    assert!(!a.leases().renew(&lost).await.unwrap(), "no longer ours");
    assert!(!a.leases().hand_back(&lost, "").await.unwrap(), "no longer ours");
    assert!(b.leases().renew(&taken).await.unwrap());
    assert!(a.leases().complete(&lost, 1).await.unwrap(), "the store has it, whoever stored it");
    assert!(!b.leases().renew(&taken).await.unwrap(), "nothing left to do");
    assert!(!b.leases().complete(&taken, 1).await.unwrap());
    assert_eq!(progress(&queue, &run).await.done_images, 1);
}

#[tokio::test]
async fn a_renewed_lease_holds() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(1500).await, run("renew", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let (mut a, mut b) = (queue.consumer("a"), queue.consumer("b"));
    let held = claim(&mut a).await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(3) {
        assert!(a.leases().renew(&held).await.unwrap());
        assert_eq!(try_claim(&mut b).await, None);
        sleep(Duration::from_millis(100)).await;
    }
    let taken = claim(&mut b).await;
    assert_eq!(taken.deliveries, 2, "renewals are no deliveries");
}

/// What redis handed out and nobody received is found again at once, and is no attempt.
#[tokio::test]
async fn a_lost_answer_counts_for_nothing() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("lost", 0));
    queue.enqueue(&run, &[0, 1]).await.unwrap();
    let stream = format!("fidelis:stream:{}", run.spec.pool());
    let mut consumer = queue.consumer("a");
    let known = claim(&mut consumer).await;
    let read = ["XREADGROUP", "GROUP", "workers", "a", "COUNT", "1", "STREAMS", &stream, ">"];
    redis.raw::<::redis::Value>(&read).await;
    assert_eq!(try_claim(&mut queue.consumer("b")).await, None, "in the hands of another");
    let found = claim(&mut consumer).await;
    assert_eq!((found.task.chunk, found.deliveries), (1, 1));
    assert_eq!((known.task.chunk, try_claim(&mut consumer).await), (0, None), "it knows both now");
}

#[tokio::test]
async fn handing_back_counts_for_nothing() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("evicted", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let (mut a, mut b) = (queue.consumer("a"), queue.consumer("b"));
    for _ in 0..10 {
        let claim = claim(&mut a).await;
        assert_eq!(claim.deliveries, 1);
        assert!(a.leases().hand_back(&claim, "a full disk").await.unwrap());
        assert_eq!(queue.setbacks(&run.id).await.unwrap(), [("a".into(), "a full disk".into())].into());
    }
    assert!(try_claim(&mut b).await.is_some(), "at once, for anybody");
    assert_eq!(progress(&queue, &run).await.dead_chunks, 0);
}

#[tokio::test]
async fn a_waiting_consumer_gets_what_is_handed_back() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("waiting", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let (mut a, mut b) = (queue.consumer("a"), queue.consumer("b"));
    let held = claim(&mut a).await;
    let waiting = tokio::spawn(async move { claim(&mut b).await });
    sleep(Duration::from_millis(300)).await;
    a.leases().hand_back(&held, "").await.unwrap();
    let taken = timeout(Duration::from_secs(5), waiting).await.expect("soon").unwrap();
    assert_eq!(taken.id, held.id);
}

#[tokio::test]
async fn three_failures_make_a_dead_letter() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("poison", 0));
    queue.enqueue(&run, &[0, 1]).await.unwrap();
    let mut consumer = queue.consumer("a");
    let leases = consumer.leases();
    for verdict in [Verdict::Retry, Verdict::Retry, Verdict::Dead] {
        let claim = claim(&mut consumer).await;
        assert_eq!(claim.task.chunk, 0);
        assert_eq!(leases.fail(&claim, &failure("net gave `NaN`")).await.unwrap(), verdict);
    }
    let dead = queue.dead_chunks(&run.id).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].chunk, dead[0].cause.as_str(), dead[0].deliveries), (0, "net gave `NaN`", 3));
    assert_eq!((dead[0].worker.as_str(), dead[0].device.as_str()), ("a", "cpu"));
    assert_eq!(dead[0].log, ["last words"]);
    assert_eq!(redis.raw::<u64>(&["XLEN", "fidelis:dead"]).await, 1);
    assert_eq!(claim(&mut consumer).await.task.chunk, 1, "the rest goes on");
    let counts = progress(&queue, &run).await;
    assert_eq!((counts.dead_chunks, counts.queued), (1, 1));
    assert_eq!(queue.enqueue(&run, &[0]).await.unwrap(), 1, "another chance");
    assert_eq!(progress(&queue, &run).await.dead_chunks, 0);
    assert_eq!(claim(&mut consumer).await.deliveries, 1);
}

#[tokio::test]
async fn a_chunk_that_kills_its_workers_is_looked_at_and_buried() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(SHORT_MS).await, run("killer", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    for name in ["a", "b", "c"] {
        assert!(!claim(&mut queue.consumer(name)).await.is_spent);
    }
    let mut consumer = queue.consumer("d");
    let spent = claim(&mut consumer).await;
    assert!(spent.is_spent, "one of them may have stored it");
    assert_eq!(queue.dead_chunks(&run.id).await.unwrap(), []);
    assert!(consumer.leases().give_up_spent(&spent).await.unwrap());
    let dead = queue.dead_chunks(&run.id).await.unwrap();
    assert_eq!(dead[0].cause, "died `3` times in workers' hands");
    assert_eq!((dead[0].worker.as_str(), dead[0].deliveries), ("c", 3));
    assert_eq!(progress(&queue, &run).await.queued, 0);
}

#[tokio::test]
async fn a_chunk_that_kills_whoever_looks_is_buried_unseen() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(SHORT_MS).await, run("basilisk", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    for name in ["a", "b", "c", "d", "e", "f"] {
        claim(&mut queue.consumer(name)).await;
    }
    sleep(Duration::from_millis(2 * SHORT_MS)).await;
    assert_eq!(try_claim(&mut queue.consumer("g")).await, None);
    let dead = queue.dead_chunks(&run.id).await.unwrap();
    assert_eq!((dead[0].worker.as_str(), dead[0].deliveries), ("f", 3));
}

#[tokio::test]
async fn a_damaged_message_is_buried() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("damaged", 0));
    queue.enqueue(&run, &[7]).await.unwrap();
    let stream = format!("fidelis:stream:{}", run.spec.pool());
    let run_id = run.id.as_str();
    redis.raw::<u64>(&["XTRIM", &stream, "MAXLEN", "0"]).await;
    redis
        .raw::<String>(&["XADD", &stream, "*", "run", run_id, "chunk", "7", "task", "\u{2}from the future"])
        .await;
    redis.raw::<String>(&["XADD", &stream, "*", "no", "sense"]).await;
    let mut consumer = queue.consumer("a");
    assert_eq!(try_claim(&mut consumer).await, None);
    let dead = queue.dead_chunks(&run.id).await.unwrap();
    assert_eq!((dead.len(), dead[0].chunk), (1, 7));
    assert!(dead[0].cause.contains("version `2`"), "{}", dead[0].cause);
    assert_eq!(redis.raw::<u64>(&["XLEN", "fidelis:dead"]).await, 2);
    assert_eq!(redis.raw::<u64>(&["XLEN", &stream]).await, 0);
    assert_eq!(progress(&queue, &run).await.queued, 0, "the run can end");
}

#[tokio::test]
async fn urgent_pools_go_first_then_the_one_at_hand() {
    let redis = Redis::start().await;
    let queue = redis.queue(LONG_MS).await;
    let (x, y, urgent) = (run("x", 1), run("y", 1), run("urgent", 9));
    let mut consumer = queue.consumer("a");
    queue.enqueue(&y, &[0, 1]).await.unwrap();
    assert_eq!(claim(&mut consumer).await.pool, y.spec.pool());
    queue.enqueue(&x, &[0]).await.unwrap();
    assert_eq!(claim(&mut consumer).await.pool, y.spec.pool(), "its nets are loaded");
    queue.enqueue(&y, &[2]).await.unwrap();
    queue.enqueue(&urgent, &[0]).await.unwrap();
    assert_eq!(claim(&mut consumer).await.pool, urgent.spec.pool());
    assert_eq!(try_claim(&mut queue.consumer("b")).await.unwrap().pool.priority(), 1);
}

#[tokio::test]
async fn a_consumer_survives_a_flush() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("flushed", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let mut consumer = queue.consumer("a");
    let leases = consumer.leases();
    let lost = claim(&mut consumer).await;
    let waiting = tokio::spawn(async move { claim(&mut consumer).await });
    sleep(Duration::from_millis(300)).await;
    redis.raw::<String>(&["FLUSHALL"]).await;
    assert_eq!(queue.progress(&run.id).await.unwrap(), None);
    assert!(!leases.renew(&lost).await.unwrap());
    assert!(!leases.complete(&lost, 1).await.unwrap());
    assert_eq!(leases.fail(&lost, &failure("late")).await.unwrap(), Verdict::Retry);
    assert_eq!(queue.enqueue(&run, &[0, 1]).await.unwrap(), 2);
    let found = timeout(Duration::from_secs(5), waiting).await.expect("soon").unwrap();
    assert_eq!((found.task.chunk, found.deliveries), (0, 1));
    assert!(leases.complete(&found, 5).await.unwrap());
    assert_eq!(progress(&queue, &run).await.done_images, 5);
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let mut redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("restart", 0));
    let mut consumer = queue.consumer("a");
    redis.kill();
    for _ in 0..2 {
        let error = consumer.claim(Duration::from_secs(1)).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
    redis.start_again().await;
    assert_eq!(queue.enqueue(&run, &[0]).await.unwrap(), 1);
    assert_eq!(claim(&mut consumer).await.task.chunk, 0);
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("dropped", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let mut consumer = queue.consumer("a");
    let first = claim(&mut consumer).await;
    consumer.leases().complete(&first, 1).await.unwrap();
    let dropped = timeout(Duration::from_millis(300), consumer.claim(Duration::from_secs(20))).await;
    assert!(dropped.is_err(), "still waiting");
    queue.enqueue(&run, &[1]).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(try_claim(&mut queue.consumer("b")).await.expect("a chunk").task.chunk, 1);
}

#[tokio::test]
async fn forgetting_leaves_nothing() {
    let redis = Redis::start().await;
    let (queue, run) = (redis.queue(LONG_MS).await, run("forgotten", 0));
    queue.enqueue(&run, &[0]).await.unwrap();
    let mut consumer = queue.consumer("a");
    let claim = claim(&mut consumer).await;
    consumer.leases().complete(&claim, 1).await.unwrap();
    queue.forget(&run.id).await.unwrap();
    assert_eq!(redis.raw::<Vec<String>>(&["KEYS", "*"]).await, Vec::<String>::new());
    assert_eq!(try_claim(&mut consumer).await, None);
}

#[tokio::test]
async fn an_evicting_server_is_refused() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let error = Queue::connect(&redis.url(), QueueSettings::default()).await.unwrap_err();
    assert!(matches!(error, QueueError::Eviction { .. }) && !error.is_retryable());
    let text = error.to_string();
    assert!(text.contains("`allkeys-lru`") && text.contains("noeviction") && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn logins_are_checked_and_narrow_users_may_pass() {
    let user = "--user worker on >w0rk ~fidelis:* +@all -config";
    let settings: Vec<&str> = ["--requirepass", "s3cret"].into_iter().chain(user.split(' ')).collect();
    let redis = Redis::start_with(&settings).await;
    let with = |query: &str| format!("{}{query}", redis.url());
    for bad in ["", "?pass=wr0ng"] {
        let error = Queue::connect(&with(bad), QueueSettings::default()).await.unwrap_err();
        assert!(matches!(error, QueueError::Login { .. }) && !error.is_retryable(), "{error:?}");
        assert!(!error.to_string().contains("wr0ng"), "{error}");
    }
    let queue = Queue::connect(&with("?user=worker&pass=w0rk"), QueueSettings::default()).await.unwrap();
    queue.enqueue(&run("narrow", 0), &[0]).await.unwrap();
    assert_eq!(claim(&mut queue.consumer("a")).await.task.chunk, 0);
}

#[tokio::test]
async fn a_refused_connection_is_named_and_retryable() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let since = Instant::now();
    let url = format!("redis://me:s3cret@127.0.0.1:{port}");
    let error = Queue::connect(&url, QueueSettings::default()).await.unwrap_err();
    assert!(since.elapsed() < Duration::from_secs(6));
    assert!(error.is_retryable());
    let text = error.to_string();
    assert!(text.contains(&format!("`redis://127.0.0.1:{port}`")) && !text.contains("s3cret"), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

#[tokio::test]
async fn nonsense_urls_are_refused() {
    for url in ["", "http://localhost", "redis://me:s3cret@host:port"] {
        let error = Queue::connect(url, QueueSettings::default()).await.unwrap_err();
        assert!(matches!(error, QueueError::Url { .. }) && !error.is_retryable(), "{error:?}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn something_else_at_the_address_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    };
    let (_stream, queue) = tokio::join!(answer, Queue::connect(&url, QueueSettings::default()));
    let error = queue.unwrap_err();
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("no redis") && !error.to_string().contains('\n'), "{error}");
}
