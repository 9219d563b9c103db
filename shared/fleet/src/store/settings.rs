//! What the SDK is told: as every AWS tool finds it in environment and profile, but for what would break another
//! server than AWS.

use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileRegionProvider, ProfileSet};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::config::{
    Builder, Credentials, ProvideCredentials, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;

use fidelis_contract::address::without_user;

use super::config::{StoreConfig, StoreCredentials};
use super::error::{StoreError, root_cause};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one try, body included: a chunk of 256 images of 512×512 is 200 MB.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(300);
const REGION_OF_OTHERS: Region = Region::from_static("us-east-1");
/// What stands for the endpoint where none is named.
const AWS: &str = "AWS";

/// The SDK's settings for a store, and its endpoint as people read it.
///
/// # Errors
/// An endpoint of the wrong form, no region, no credentials.
pub(super) async fn of(config: &StoreConfig) -> Result<(aws_sdk_s3::Config, Arc<str>), StoreError> {
    let (builder, endpoint) = match config {
        StoreConfig {
            endpoint: Some(endpoint),
            region: Some(region),
            credentials: Some(credentials),
            ..
        } => {
            check_endpoint(endpoint)?;
            (given(region, credentials), Some(endpoint.clone()))
        }
        _ => found(config).await?,
    };
    let mut builder = builder
        // Our own retries, around the SDK's single try.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts().operation_attempt_timeout(ATTEMPT_TIMEOUT).build())
        // Checksum headers that S3 does not ask for break older servers; bodies are covered by the signature,
        // and readers compare sha256 themselves.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = &endpoint {
        // FIPS and dual stack choose among AWS's own endpoints, and the account's setting is not meant for others.
        builder = builder.endpoint_url(endpoint).use_fips(false).use_dual_stack(false);
    }
    let config = builder.force_path_style(endpoint.is_some()).build();
    Ok((config, endpoint.as_deref().unwrap_or(AWS).into()))
}

fn check_endpoint(endpoint: &str) -> Result<(), StoreError> {
    let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
    let odd = |c: char| c.is_whitespace() || c == '@' || c == '?';
    if host.is_none_or(|host| host.is_empty() || host.contains(odd)) {
        return Err(StoreError::Endpoint { endpoint: without_user(endpoint) });
    }
    Ok(())
}

/// Everything is said: environment and profile, which may be meant for another service, are not looked at.
fn given(region: &str, credentials: &StoreCredentials) -> Builder {
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client())
        .sleep_impl(TokioSleep::new())
        .region(Region::new(region.to_owned()))
        .credentials_provider(keys(credentials))
}

/// What is not said, from environment and profile.
async fn found(config: &StoreConfig) -> Result<(Builder, Option<String>), StoreError> {
    let http = http_client();
    let region = match &config.region {
        Some(region) => Some(Region::new(region.clone())),
        None => nearby_region().await,
    };
    let named = config.endpoint.clone().filter(|endpoint| !endpoint.is_empty());
    let endpoint = match named {
        Some(endpoint) => Some(endpoint),
        None => {
            let region = region.clone().unwrap_or(REGION_OF_OTHERS);
            configured_endpoint(&loader(&http).no_credentials().region(region).load().await)
        }
    };
    endpoint.as_deref().map_or(Ok(()), check_endpoint)?;
    let region = match (region, &endpoint) {
        (Some(region), _) => region,
        (None, Some(_)) => REGION_OF_OTHERS,
        // Only AWS's own machines know a region without being told, and asking them takes seconds elsewhere.
        (None, None) => {
            let told = loader(&http).no_credentials().load().await.region().cloned();
            told.ok_or(StoreError::NoRegion)?
        }
    };
    let mut loader = loader(&http).region(region);
    if let Some(credentials) = &config.credentials {
        loader = loader.credentials_provider(keys(credentials));
    }
    let loaded = loader.load().await;
    if let Some(provider) = loaded.credentials_provider()
        && let Err(error) = provider.provide_credentials().await
    {
        let endpoint = endpoint.as_deref().unwrap_or(AWS).to_owned();
        return Err(StoreError::NoCredentials { endpoint, cause: cause_of(root_cause(&error)).await });
    }
    Ok((Builder::from(&loaded), endpoint))
}

/// The region of the environment or, failing that, of the profile.
async fn nearby_region() -> Option<Region> {
    let environment = EnvironmentVariableRegionProvider::new();
    let chain = RegionProviderChain::first_try(environment).or_else(ProfileFileRegionProvider::new());
    chain.region().await.filter(|region| !region.as_ref().trim().is_empty())
}

/// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or the profile's `endpoint_url`, unless they are to be ignored.
fn configured_endpoint(loaded: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let found = loaded.service_config()?.load_config(key.build().ok()?)?;
    Some(found.trim().to_owned()).filter(|endpoint| !endpoint.is_empty())
}

fn loader(http: &SharedHttpClient) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
    loader.timeout_config(timeouts().build())
}

fn timeouts() -> aws_config::timeout::TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT)
}

fn keys(StoreCredentials { access_key, secret_key }: &StoreCredentials) -> Credentials {
    Credentials::new(access_key, secret_key, None, None, "fidelis")
}

/// TLS on ring.
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// Why there are no credentials, in words for whoever has to find some.
async fn cause_of(cause: String) -> String {
    let env = Env::real();
    let profiles: ProfileSet =
        match aws_config::profile::load(&Fs::real(), &env, &Default::default(), None).await {
            Ok(profiles) => profiles,
            Err(error) => return format!("the AWS configuration cannot be read: {}", root_cause(&error)),
        };
    let (name, is_named) =
        (profiles.selected_profile(), env.get("AWS_PROFILE").is_ok_and(|name| !name.is_empty()));
    // The SDK passes over a profile that is not there, and asks everywhere else.
    if is_named && profiles.get_profile(name).is_none() {
        return format!("AWS_PROFILE names `{name}`, which the configuration does not define");
    }
    if ["sso_session", "sso_start_url"].iter().any(|key| profiles.get(key).is_some()) {
        return format!(
            "profile `{name}` has no valid session: run `aws sso login --profile {name}`; {cause}"
        );
    }
    if let Some((_, tried)) = cause.split_once("Profile: the credential provider was not enabled") {
        let (why, _) = tried.split_once(" WebIdentityToken: ").unwrap_or((tried, ""));
        return match why.trim_start_matches(": ") {
            "" => "environment, profile, web identity, container and instance have none".to_owned(),
            why => why.to_owned(),
        };
    }
    // Its words for what it cannot do are for those who build it.
    match cause.split_once("cargo feature(s) enabled: ") {
        Some((_, rest)) => format!(
            "profile `{name}` asks for `{}`, which fidelis does not speak: name one in AWS_PROFILE that has `credential_process = aws configure export-credentials --profile {name}`",
            rest.split(['.', ' ']).next().unwrap_or_default()
        ),
        None => cause,
    }
}
