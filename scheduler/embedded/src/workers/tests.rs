use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

use tempfile::TempDir;

use super::*;

/// Workers that are a shell script.
fn start(folder: &TempDir, script: &str, count: usize) -> Workers {
    let binary = folder.path().join("worker.sh");
    fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let command = WorkerCommand {
        binary,
        args: Vec::new(),
        env: vec![("FIDELIS_TEST_FOLDER".into(), folder.path().display().to_string())],
        logs: folder.path().to_owned(),
        grace: Duration::ZERO,
    };
    let slots = (0..count).map(|i| WorkerSlot { name: format!("w{i}"), device: "cpu".into() });
    Workers::start(&command, slots)
}

#[tokio::test]
async fn one_that_refuses_is_not_started_again() {
    let folder = TempDir::new().unwrap();
    let script = "echo started >> $FIDELIS_TEST_FOLDER/starts; echo 'no such device' >&2; exit 2";
    let error = start(&folder, script, 1).failed().await;
    assert!(matches!(error, WorkersError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("no such device"), "{error}");
    assert_eq!(
        (fs::read_to_string(folder.path().join("starts")).unwrap().as_str(), error.exit_code()),
        ("started\n", 2)
    );
    assert_eq!(fs::read_to_string(folder.path().join("w0.log")).unwrap(), "no such device\n");
}

#[tokio::test]
async fn one_that_keeps_dying_is_given_up() {
    let folder = TempDir::new().unwrap();
    let error = start(&folder, "echo x >> $FIDELIS_TEST_FOLDER/starts; kill -9 $$", 1).failed().await;
    assert!(matches!(error, WorkersError::Died { deaths: 6, .. }), "{error}");
    assert!(error.to_string().contains("SIGKILL"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("starts")).unwrap().lines().count(), 6);
}

#[tokio::test]
async fn they_end_when_told_and_are_killed_when_deaf() {
    let folder = TempDir::new().unwrap();
    let start_time = Instant::now();
    start(&folder, "cat; echo ended > $FIDELIS_TEST_FOLDER/$3", 2).end().await;
    assert!(folder.path().join("w0").exists() && folder.path().join("w1").exists());
    assert!(start_time.elapsed() < END_TIMEOUT);

    let workers = start(&folder, "echo $$ > $FIDELIS_TEST_FOLDER/pid; exec sleep 600", 1);
    while fs::read_to_string(folder.path().join("pid")).is_ok_and(|pid| pid.is_empty())
        || !folder.path().join("pid").exists()
    {
        sleep(Duration::from_millis(10)).await;
    }
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    workers.end().await;
    // Killed, and reaped in the background.
    for _ in 0..100 {
        if !Path::new("/proc").join(pid.trim()).exists() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("worker {pid} is still there");
}
