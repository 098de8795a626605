# SPDX-License-Identifier: MPL-2.0
"""Signs a message as an Ethereum wallet does (EIP-191 personal_sign), with eth-account.

usage: eth_sign.py KEY_HEX < message      prints the address, then the signature in hex
       eth_sign.py address KEY_HEX        prints the address
"""

import sys

from eth_account import Account
from eth_account.messages import encode_defunct


def main():
    if sys.argv[1] == "address":
        print(Account.from_key(sys.argv[2]).address)
        return
    message = sys.stdin.buffer.read()
    signed = Account.sign_message(encode_defunct(primitive=message), sys.argv[1])
    print(Account.from_key(sys.argv[1]).address)
    print(signed.signature.hex())


main()
