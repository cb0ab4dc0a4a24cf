"""Come from another SDK for Codex, and choose a transport. This module has no code.

# From `openai-codex` (Python)

The client of `openai-codex` is synchronous and uses an app-server. `codex_jupyter.sync.Codex(transport="app-server")` is the nearest one.
The defaults differ: `openai-codex` lets the agent work with automatic approvals. Here the sandbox is that of the user's configuration, by
default read-only, and every request for approval is declined without an `on_approval` handler.

| `openai-codex` | `codex_jupyter` |
|---|---|
| `Codex` | `sync.Codex` |
| `AsyncCodex` | `Codex` |
| `Codex.close` | `sync.Codex.close` |
| `AsyncCodex.close` | `Codex.aclose` |
| `CodexConfig.codex_bin` | `CodexOptions.codex_path_override` |
| `CodexConfig.config_overrides` | `CodexOptions.config_overrides` |
| `CodexConfig.env` | `CodexOptions.env` |
| `Codex.thread_start` | `Codex.start_thread` |
| `Codex.thread_start(cwd=)` | `ThreadOptions.working_directory` |
| `Codex.thread_start(sandbox=)` | `ThreadOptions.sandbox_mode` |
| `Codex.thread_start(approval_mode=)` | `ThreadOptions.approval_policy` |
| `Codex.thread_start(config=)` | `ThreadOptions.config_overrides` |
| `Codex.thread_start(model_provider=)` | `ThreadOptions.model_provider` |
| `Codex.thread_resume` | `Codex.resume_thread` |
| `Codex.thread_fork` | `Codex.fork_thread` |
| `Codex.thread_list` | `Codex.list_threads` |
| `Codex.thread_list(search_term=)` | `Codex.list_threads(search=)` |
| `Codex.thread_archive` | `Codex.archive_thread` |
| `Codex.thread_unarchive` | `Codex.unarchive_thread` |
| `Codex.models(include_hidden=)` | `Codex.models(hidden=)` |
| `Codex.account(refresh_token=)` | `Codex.account(refresh=)` |
| `Codex.login_chatgpt_device_code` | `Codex.login_chatgpt_device_code` |
| `ChatgptLoginHandle.auth_url` | `Login.url` |
| `DeviceCodeLoginHandle.verification_url` | `Login.url` |
| `Thread.run(effort=)` | `TurnOptions.model_reasoning_effort` |
| `Thread.run(sandbox=)` | `TurnOptions.sandbox_mode` |
| `Thread.run(cwd=)` | `TurnOptions.working_directory` |
| `Thread.turn` | `Thread.run_streamed` |
| `Thread.read` | `Codex.read_thread` |
| `TurnHandle.stream` | `StreamedTurn.events` |
| `TurnHandle.run` | `StreamedTurn.wait` |
| `TurnHandle.steer` | `StreamedTurn.steer` |
| `TurnHandle.interrupt` | `StreamedTurn.interrupt` |
| `TurnResult` | `Turn` |
| `TurnResult.duration_ms` | `Turn.duration` |
| `Sandbox.read_only` | `SandboxMode` |
| `ExternalMessage.content` | `ExternalMessage` |
| `retry_on_overload` | `retry` |
| `retry_on_overload(max_attempts=)` | `retry(attempts=)` |
| `ServerBusyError` | `OverloadedError` |
| `TransportClosedError` | `ProcessExitError` |
| `is_retryable_error` | `CodexError.retryable` |

# From `@openai/codex-sdk` (TypeScript)

The names are the same in snake_case. Options are keyword arguments, as in `codex.start_thread(sandbox_mode="read-only")`.

| `@openai/codex-sdk` | `codex_jupyter` |
|---|---|
| `Codex` | `Codex` |
| `Codex.startThread` | `Codex.start_thread` |
| `Codex.resumeThread` | `Codex.resume_thread` |
| `Thread.run` | `Thread.run` |
| `Thread.runStreamed` | `Thread.run_streamed` |
| `StreamedTurn.events` | `StreamedTurn.events` |
| `RunResult` | `Turn` |
| `Turn.finalResponse` | `Turn.final_response` |
| `Turn.usage` | `Turn.thread_usage` |
| `CodexOptions.apiKey` | `CodexOptions.api_key` |
| `CodexOptions.baseUrl` | `CodexOptions.base_url` |
| `CodexOptions.codexPathOverride` | `CodexOptions.codex_path_override` |
| `ThreadOptions.sandboxMode` | `ThreadOptions.sandbox_mode` |
| `ThreadOptions.workingDirectory` | `ThreadOptions.working_directory` |
| `ThreadOptions.skipGitRepoCheck` | `ThreadOptions.skip_git_repo_check` |
| `ThreadOptions.modelReasoningEffort` | `ThreadOptions.model_reasoning_effort` |
| `ThreadOptions.networkAccessEnabled` | `ThreadOptions.network_access_enabled` |
| `ThreadOptions.webSearchMode` | `ThreadOptions.web_search_mode` |
| `ThreadOptions.approvalPolicy` | `ThreadOptions.approval_policy` |
| `ThreadOptions.additionalDirectories` | `ThreadOptions.additional_directories` |
| `TurnOptions.outputSchema` | `TurnOptions.output_schema` |
| `TurnOptions.signal` | `TurnOptions.cancellation` |
| `TurnOptions.cyberAccessProgram` | `TurnOptions.cyber_access_program` |
| `ThreadError` | `TurnError` |
| `McpToolCallStatus` | `ToolCallStatus` |

# Features by transport

`Codex(transport="auto")` runs a turn with the app-server if it is streamed, or has tools or an `on_approval` handler, and otherwise with
`exec`. Requests that are not turns, such as `Codex.models`, start an app-server for the request where the client has none.

| feature | capability | `exec` | `app-server` | `auto` |
|---|---|---|---|---|
| run, stream, resume and interrupt turns | `open_turn` | yes | yes | yes |
| fork a thread | `can_fork` | yes | yes | yes |
| ask for approvals (`on_approval`) | `can_ask` | no | yes | yes |
| call functions of your program (`tools`) | `has_tools` | no | yes | yes |
| `Thread.revert`, `Thread.compact` | `has_history` | no | yes | yes |
| `Codex.notifications` | `has_notifications` | no | yes | yes |
"""
