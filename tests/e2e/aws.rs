//! The store's server, region and credentials as every AWS tool finds them, seen from what is signed on the wire.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Asked, Fleet, Outcome, Recorder, repository};
use tempfile::TempDir;

const RUN: &str = "small-0123456789abcdef";
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ENVKEY"), ("AWS_SECRET_ACCESS_KEY", "envsecret")];
/// What an account's owner may have set for all of it.
const ACCOUNT: [(&str, &str); 2] =
    [("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_USE_DUALSTACK_ENDPOINT", "true")];

/// A home with AWS's two files, and an S3 server that knows no bucket.
struct Home {
    folder: TempDir,
    s3: Recorder,
}

impl Home {
    fn new(config: &str, credentials: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join(".aws"))?;
        fs::write(folder.path().join(".aws/config"), config)?;
        fs::write(folder.path().join(".aws/credentials"), credentials)?;
        Ok(Self { folder, s3: Recorder::empty_s3()? })
    }

    fn env(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let home = self.folder.path().display().to_string();
        // Nobody waits for a cloud's machine here.
        let ours = [("HOME", home.as_str()), ("AWS_EC2_METADATA_DISABLED", "true")];
        ours.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn status(&self, args: &[&str], env: &[(&str, &str)]) -> Result<Outcome> {
        let args = [&["status", RUN, "--store", "s3://bkt/a"], args].concat();
        Outcome::of("fidelis", &args, &self.env(env))
    }

    /// What our server was asked with these settings; the command ends with its word that there is no bucket.
    fn asked(&self, args: &[&str], env: &[(&str, &str)]) -> Result<Asked> {
        let outcome = self.status(args, env)?;
        ensure!(outcome.error_line().contains("bucket `bkt` does not exist"), "{env:?}: {outcome:#?}");
        ensure!(outcome.code == Some(i32::from(exit::INFRASTRUCTURE)), "{outcome:#?}");
        let mut asked = self.s3.take();
        ensure!(!asked.is_empty(), "{env:?}: the server was not asked");
        Ok(asked.remove(0))
    }

    /// The key that was signed with.
    fn key(&self, env: &[(&str, &str)]) -> Result<String> {
        let asked = self.asked(&["--s3-endpoint", &self.s3.url()], env)?;
        Ok(asked.credential.split('/').next().unwrap_or_default().to_owned())
    }

    /// The one line that says why there are no credentials.
    fn refusal(&self, env: &[(&str, &str)]) -> Result<String> {
        let outcome = self.status(&["--s3-endpoint", &self.s3.url()], env)?;
        ensure!(outcome.code == Some(i32::from(exit::INFRASTRUCTURE)), "{outcome:#?}");
        let line = outcome.error_line();
        for dump in [" { ", "Some(", "Error {", "cargo feature"] {
            ensure!(!line.contains(dump), "`{dump}` is in: {line}");
        }
        ensure!(line.contains("no credentials for the store"), "{line}");
        Ok(line.to_owned())
    }
}

fn scope(asked: &Asked) -> &str {
    asked.credential.split('/').nth(2).unwrap_or_default()
}

/// Temporary keys as STS hands them out.
fn sts(action: &str, key: &str) -> String {
    format!(
        "<{action}Response><{action}Result><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn>\
         <AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{key}</AccessKeyId>\
         <SecretAccessKey>s</SecretAccessKey><SessionToken>tok-{key}</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
    )
}

#[test]
fn the_region_is_the_environments_else_the_profiles_else_a_default() -> Result<()> {
    let home = Home::new("[default]\nregion = garage\n[profile other]\nregion = elsewhere\n", "")?;
    let url = home.s3.url();
    let region = |env: &[(&str, &str)]| -> Result<String> {
        Ok(scope(&home.asked(&["--s3-endpoint", &url], &[&KEYS, env].concat())?).to_owned())
    };
    assert_eq!(region(&[])?, "garage");
    assert_eq!(region(&[("AWS_PROFILE", "other")])?, "elsewhere");
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "eu-1")])?, "eu-1");
    assert_eq!(region(&[("AWS_REGION", "eu-2"), ("AWS_DEFAULT_REGION", "eu-1")])?, "eu-2");
    assert_eq!(region(&[("AWS_CONFIG_FILE", "/dev/null")])?, "us-east-1");
    assert_eq!(region(&[("AWS_REGION", ""), ("AWS_CONFIG_FILE", "/dev/null")])?, "us-east-1");
    Ok(())
}

#[test]
fn an_endpoint_of_environment_or_profile_is_addressed_by_path() -> Result<()> {
    let home = Home::new("", "")?;
    let url = home.s3.url_by_name();
    let profile = home.folder.path().join("with-endpoint");
    let services = home.folder.path().join("with-services");
    fs::write(&profile, format!("[default]\nendpoint_url = {url}\n"))?;
    fs::write(
        &services,
        format!("[default]\nservices = desk\n[services desk]\ns3 =\n  endpoint_url = {url}\n"),
    )?;
    let (profile, services) = (profile.display().to_string(), services.display().to_string());
    let settings: [&[(&str, &str)]; 6] = [
        &[("AWS_ENDPOINT_URL", &url)],
        &[("AWS_ENDPOINT_URL_S3", &url), ("AWS_ENDPOINT_URL", "http://localhost:1")],
        &[("AWS_CONFIG_FILE", &profile)],
        &[("AWS_CONFIG_FILE", &services)],
        &[("FIDELIS_S3_ENDPOINT", &url), ("AWS_ENDPOINT_URL", "http://localhost:1")],
        &[("FIDELIS_S3_ENDPOINT", ""), ("AWS_ENDPOINT_URL_S3", &url)],
    ];
    for setting in settings {
        // What chooses among AWS's own endpoints says nothing of others.
        for account in [&[][..], &ACCOUNT] {
            let asked = home.asked(&[], &[&KEYS, setting, account].concat())?;
            assert!(asked.path.starts_with("/bkt"), "{setting:?}: {asked:?}");
            assert_eq!(format!("http://{}", asked.host), url, "{setting:?}");
        }
    }
    let outcome = home.status(&[], &[&KEYS[..], &[("AWS_ENDPOINT_URL", "localhost:9000")]].concat())?;
    assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
    assert!(outcome.error_line().contains("`localhost:9000`"), "{}", outcome.stderr);
    Ok(())
}

#[test]
fn the_accounts_settings_do_not_break_another_server() -> Result<()> {
    let home = Home::new("[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\n", "")?;
    let url = home.s3.url();
    for env in [&KEYS[..], &[&KEYS[..], &ACCOUNT].concat()] {
        home.asked(&["--s3-endpoint", &url], env)?;
    }
    Ok(())
}

#[test]
fn credentials_come_from_wherever_aws_keeps_them() -> Result<()> {
    let tokens = Recorder::start(|asked| {
        let action = |name: &str| asked.body.contains(&format!("Action={name}&"));
        match asked.path.as_str() {
            "/" if action("AssumeRoleWithWebIdentity") => (200, sts("AssumeRoleWithWebIdentity", "WEBKEY")),
            "/" if action("AssumeRole") && asked.credential.starts_with("FILEKEY/") => {
                (200, sts("AssumeRole", "ROLEKEY"))
            }
            "/task" => {
                let expires = "2099-01-01T00:00:00Z";
                let keys = format!(
                    r#"{{"AccessKeyId":"TASKKEY","SecretAccessKey":"s","Token":"t","Expiration":"{expires}"}}"#
                );
                (200, keys)
            }
            path if path.starts_with("/federation/credentials?") => {
                let keys = r#"{"accessKeyId":"SSOKEY","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}"#;
                (200, format!(r#"{{"roleCredentials":{keys}}}"#))
            }
            _ => (403, "no".to_owned()),
        }
    })?;
    let home = Home::new(
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = file\nregion = eu-1\n\
         [profile desk]\nsso_start_url = https://ada.example.com/start\nsso_region = eu-1\n\
         sso_account_id = 123456789012\nsso_role_name = r\nregion = eu-1\n",
        "[default]\naws_access_key_id = DEFKEY\naws_secret_access_key = s\n\
         [file]\naws_access_key_id = FILEKEY\naws_secret_access_key = s\n",
    )?;
    // As `aws sso login` leaves it, under the address's sha1.
    let session = home.folder.path().join(".aws/sso/cache");
    fs::create_dir_all(&session)?;
    fs::write(
        session.join("8cb0c169074afe2d82c67432970fb70169f17ac4.json"),
        r#"{"accessToken":"t","expiresAt":"2099-01-01T00:00:00Z"}"#,
    )?;
    let (token, program) = (home.folder.path().join("token"), home.folder.path().join("keys.sh"));
    fs::write(&token, "jwt")?;
    fs::write(
        &program,
        "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"PROGKEY\",\"SecretAccessKey\":\"s\"}'\n",
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let config = home.folder.path().join("program");
    fs::write(&config, format!("[profile program]\ncredential_process = {}\n", program.display()))?;
    let (sts, task) = (tokens.url(), format!("{}/task", tokens.url()));
    let (token, config) = (token.display().to_string(), config.display().to_string());
    let nothing = ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    let web: [(&str, &str); 4] = [
        nothing,
        ("AWS_ENDPOINT_URL_STS", &sts),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
    ];
    let cases: [(&str, &[(&str, &str)]); 7] = [
        ("ENVKEY", &KEYS),
        ("DEFKEY", &[]),
        ("FILEKEY", &[("AWS_PROFILE", "file")]),
        ("ROLEKEY", &[("AWS_PROFILE", "role"), ("AWS_ENDPOINT_URL_STS", &sts)]),
        ("SSOKEY", &[("AWS_PROFILE", "desk"), ("AWS_ENDPOINT_URL_SSO", &sts)]),
        ("PROGKEY", &[("AWS_PROFILE", "program"), ("AWS_CONFIG_FILE", &config)]),
        ("TASKKEY", &[nothing, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &task)]),
    ];
    for (key, env) in cases.into_iter().chain([("WEBKEY", &web[..])]) {
        assert_eq!(home.key(env)?, key);
    }
    let asked = home.asked(&["--s3-endpoint", &home.s3.url()], &web)?;
    assert_eq!(asked.token, "tok-WEBKEY");
    Ok(())
}

#[test]
fn what_gives_no_credentials_is_told_in_one_line() -> Result<()> {
    let denied = Recorder::start(|_| {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                     <Message>not for you</Message></Error><RequestId>r</RequestId></ErrorResponse>";
        (403, error.to_owned())
    })?;
    let home = Home::new(
        "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = file\nregion = eu-1\n\
         [profile login]\nlogin_session = arn:aws:iam::123456789012:user/ada\nregion = eu-1\n\
         [profile desk]\nsso_start_url = https://ada.example.com/start\nsso_region = eu-1\n\
         sso_account_id = 1\nsso_role_name = r\nregion = eu-1\n\
         [profile loop]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = lost\n\
         [profile program]\ncredential_process = echo broken 1>&2; exit 3\n",
        "[file]\naws_access_key_id = FILEKEY\naws_secret_access_key = s\n",
    )?;
    let broken = home.folder.path().join("broken");
    fs::write(&broken, "[default\nregion = x\n")?;
    let (sts, broken) = (denied.url(), broken.display().to_string());
    let token = home.folder.path().join("lost-token").display().to_string();
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[], "container and instance have none"),
        (&[("AWS_PROFILE", "typo")], "AWS_PROFILE names `typo`"),
        (&[("AWS_PROFILE", "role"), ("AWS_ENDPOINT_URL_STS", &sts)], "not for you (`AccessDenied`)"),
        (&[("AWS_PROFILE", "login")], "`credentials-login`"),
        (&[("AWS_PROFILE", "desk")], "run `aws sso login --profile desk`"),
        (&[("AWS_PROFILE", "loop")], "(profile `lost` was not defined"),
        (&[("AWS_PROFILE", "program")], "broken"),
        (&[("AWS_CONFIG_FILE", &broken)], "cannot be read: error parsing"),
        (
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", &token), ("AWS_ROLE_ARN", "r"), ("AWS_REGION", "x")],
            "No such file",
        ),
    ];
    for (env, words) in cases {
        let line = home.refusal(env)?;
        eprintln!("{line}");
        assert!(line.contains(words), "{env:?}: `{words}` is not in: {line}");
    }
    assert!(home.s3.take().is_empty(), "nothing goes to the store unsigned");
    Ok(())
}

/// Its servers are its own: whatever is set for others does not concern them.
#[test]
fn a_fleet_of_this_machine_ignores_the_users_aws() -> Result<()> {
    let home = Home::new("[default\n", "[default]\naws_access_key_id = THEIRS\naws_secret_access_key = s\n")?;
    let spec = home.folder.path().join("small.toml");
    let weights = repository().join("infra/demo/models/fashion-cnn.safetensors");
    let text = format!(
        "name = \"small\"\nengine = \"synthetic\"\nseeds = \"0-2047\"\nchunk_size = 1024\nmicro_batch = 256\n\
         [[detectors]]\nname = \"fashion-cnn\"\nweights = \"{}\"\n",
        weights.display()
    );
    fs::write(&spec, text)?;
    let (spec, out) = (spec.display().to_string(), home.folder.path().join("out").display().to_string());
    let foreign = home.s3.url();
    let set: [(&str, &str); 6] = [
        ("AWS_PROFILE", "typo"),
        ("AWS_REGION", "mars-1"),
        ("AWS_ENDPOINT_URL", &foreign),
        ("AWS_SESSION_TOKEN", "theirs"),
        ("AWS_ACCESS_KEY_ID", "THEIRS"),
        ("AWS_SECRET_ACCESS_KEY", "theirs"),
    ];
    let env = home.env(&[&set[..], &ACCOUNT].concat());
    let outcome = Outcome::of("fidelis", &["local", &spec, "--out", &out], &env)?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let verified = Outcome::of("fidelis", &["verify", &spec, "--local", &out], &env)?;
    ensure!(verified.code == Some(0), "{verified:#?}");
    assert!(home.s3.take().is_empty(), "the server of AWS_ENDPOINT_URL was asked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_url_that_asks_for_the_third_protocol_works() -> Result<()> {
    let fleet = Fleet::start().await?;
    let env = fleet.env().into_iter().map(|(name, value)| match name.as_str() {
        "FIDELIS_REDIS" => (name, format!("{value}?protocol=resp3")),
        _ => (name, value),
    });
    let env: Vec<_> = env.collect();
    let spec = fleet.spec(
        "resp3",
        "name = \"resp3\"\nengine = \"synthetic\"\nseeds = \"0-63\"\nchunk_size = 8\nmicro_batch = 8\n\
         outputs = { latents = true }\n",
    )?;
    let _worker = fidelis_tests::Process::start("fidelis-worker", &["run", "--name", "w"], &env)?;
    let args = ["run".to_owned(), spec.display().to_string()];
    let outcome = tokio::task::spawn_blocking(move || Outcome::of("fidelis", &args, &env)).await??;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    Ok(())
}
