"""Secrets are masked by their names and by their forms, and ordinary text is not."""

import pytest

from codex_jupyter.sdk.redaction import holds_key, is_secret_name, mask

CARRIERS = [
    ("Authorization: Bearer abc123def456", "abc123def456"),
    ("postgresql+psycopg2://ada:s3cr3t@db.example.org/x", "s3cr3t"),
    ("https://example.org/f?x=1&access_token=zzz999", "zzz999"),
    ("https://hooks.slack.com/services/T000/B000/XXXX", "T000"),
    ("export DB_PASSWORD=hunter2", "hunter2"),
    ("tool --api-key hunter2 run", "hunter2"),
    ("password = 'hunter2'", "hunter2"),
    ('client = Client(api_key="hunter2", n=1)', "hunter2"),
    ("os.environ['MY_TOKEN'] = 'hunter2'", "hunter2"),
    ('{"user": "ada", "password": "hunter2"}', "hunter2"),
    ("secret: str = 'hunter2'", "hunter2"),
    ('token = """hunter2\nhunter2"""', "hunter2"),
    ("accessKey = 'hunter2", "hunter2"),
    ("machine db.example.org login ada password hunter2", "hunter2"),
    ("machine db.example.org\n  login ada\n  password hunter2\n", "hunter2"),
    ("mysql -u root -phunter data", "hunter"),
    ("!mysqldump --host db -phunter2 data > out", "hunter2"),
    ("sshpass -p hunter ssh ada@db", "hunter"),
    ("tool -phunter2 run", "hunter2"),
    ("curl -u ada:hunter https://db.example.org", "hunter"),
    ("passwords = ['hunter', \"hunter\"]", "hunter"),
    ('{"tokens": ["hunter", "hunter"], "n": 5}', "hunter"),
    ("credentials = {'user': 'hunter', 'door': ('hunter',)}", "hunter"),
    ("api_keys: list[str] = ['hunter']", "hunter"),
]
IN_LINES_OF_SOURCE = [
    "raise ConnectionError('no login with password=hunter2 here')",
    'raise ConnectionError("no login with token: hunter2")',
    'log.error(f"{host}: api_key=hunter2, {port}")',
    "    the middle of a long string, password=hunter2 and more",
]
"""Lines of a traceback that hold a secret in a string."""


@pytest.mark.parametrize(("text", "secret"), CARRIERS)
def test_a_secret_is_masked_by_what_stands_before_it(text: str, secret: str) -> None:
    """In source and in output. The rest of the text stays."""
    for code in (False, True):
        masked = mask(text, code=code)
        assert secret not in masked
        assert "***" in masked
        assert mask(masked, code=code) == masked


@pytest.mark.parametrize("line", IN_LINES_OF_SOURCE)
def test_a_secret_in_a_string_of_a_line_of_source_is_masked(line: str) -> None:
    masked = mask(line, code=True)
    assert masked == line.replace("hunter2", "***")
    assert mask(masked, code=True) == masked


def test_elements_after_a_secret_name_are_masked_in_a_log() -> None:
    assert mask("api_keys: [abc, def], n: 5") == "api_keys: [***, ***], n: 5"
    assert mask("credentials: {prod: abc, dev: [def]}") == "credentials: {prod: ***, dev: [***]}"


def test_ordinary_text_is_not_masked() -> None:
    """Code about tokens and keys, paths, hashes of words, numbers and ids in words."""
    for text in (
        "token = load()\ntokens = tokenizer(text, max_length=100)\nif key in d: d[key] = 1",
        "df.sort_values(by='name').to_csv('/home/ada/projects/analysis/2024/results_final_v2.csv')",
        "class BertForSequenceClassificationWithPooling: ...",
        "id = '123e4567-e89b-12d3-a456-426614174000'",
        "import sklearn\nfrom sk_utils import helper_function_name",
        "MAX_TOKENS=100",
        "x" * 500,
        "a basic understanding of bearer instruments",
        "connect(token=load2(), key=config.key1, password=None)",
        "token_ids = [101, 2023, 0.12]\ntokens = [model2.read(x) for x in y]",
        "!git push -u origin main:main\n!docker run -u 1000:1000 -p 8080:80 image\n!ls -path -print",
    ):
        assert mask(text, code=True) == text
    assert mask("total tokens: 1200, n = 5") == "total tokens: 1200, n = 5"
    link = "https://example.org/authorize?id_token_add_organizations=true&x=1"  # of a login, in an output
    assert mask(link, code=True) == link
    assert not holds_key(link.encode())
    assert not any(map(is_secret_name, ["keyboard", "monkey", "compass", "author", "spinner", "x", ""]))
