use super::*;

fn program(folder: &TempDir, body: &str) -> PathBuf {
    let path = folder.path().join("redis-server");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

async fn gone(pid: u32) -> bool {
    for _ in 0..200 {
        // An orphan is reaped by init; inside a container without one it stays as a zombie.
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if state.is_empty() || state.contains(") Z ") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

#[tokio::test]
async fn answers_on_a_private_socket_and_is_gone_after_drop() {
    let server = RedisServer::start().await.unwrap();
    let (pid, folder) = (server.pid(), server.folder.path().to_owned());
    server.ping().await.unwrap();
    assert_eq!(server.url(), format!("unix://{}/redis.sock", folder.display()));
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    drop(server);
    assert!(gone(pid).await, "redis-server {pid} outlives its owner");
    assert!(!folder.exists(), "`{}` is left behind", folder.display());
}

#[tokio::test]
async fn dies_with_an_owner_that_drops_nothing() {
    let mut server = RedisServer::start().await.unwrap();
    let (pid, folder) = (server.pid(), server.folder.path().to_owned());
    // What the kernel does to our end of the pipe when this process is killed.
    drop(server.child.stdin.take());
    assert!(gone(pid).await, "redis-server {pid} outlives its owner");
    for _ in 0..100 {
        if !folder.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("`{}` is left behind", folder.display());
}

#[tokio::test]
async fn a_server_that_fails_is_quoted() {
    let folder = TempDir::new().unwrap();
    let error =
        RedisServer::start_binary(program(&folder, "echo starting; echo bad config >&2; exit 1")).await;
    assert_eq!(error.unwrap_err().to_string(), "redis-server does not answer; its last words: `bad config`");
}

#[test]
fn an_absent_server_says_how_to_get_one() {
    let folder = TempDir::new().unwrap();
    assert_eq!(find_on(&folder.path().into()), None);
    assert!(RedisServerError::Absent.to_string().contains("apt-get install redis-server"));
    fs::write(folder.path().join("redis-server"), "not executable").unwrap();
    assert_eq!(find_on(&folder.path().into()), None);
    let binary = program(&folder, "exit 0");
    assert_eq!(find_on(&folder.path().into()), Some(binary));
}
