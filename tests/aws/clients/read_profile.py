"""What boto3 reads from credentials files: for each file given the credentials of one profile and all sections, as JSON."""

import json
import sys

from botocore.configloader import raw_config_parse
from botocore.credentials import SharedCredentialProvider


def read(profile, path):
    credentials = SharedCredentialProvider(path, profile).load()
    return {
        "credentials": [credentials.access_key, credentials.secret_key, credentials.token],
        "sections": raw_config_parse(path),
    }


if __name__ == "__main__":
    print(json.dumps([read(sys.argv[1], path) for path in sys.argv[2:]]))
