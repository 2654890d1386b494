// Passkeys (Web Authentication): puts what an authenticator answers into the field `passkey` of a form.
(() => {
  if (!window.PublicKeyCredential) return;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const key = (id) => ({ type: 'public-key', id: bytes(id) });

  async function create({ challenge, site, handle, known, user }) {
    const { response } = await navigator.credentials.create({ publicKey: {
      challenge: bytes(challenge),
      rp: { id: site, name: 'otpost' },
      user: { id: bytes(handle), name: user, displayName: user },
      pubKeyCredParams: [{ type: 'public-key', alg: -7 }, { type: 'public-key', alg: -257 }],
      authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
      excludeCredentials: known.split(' ').filter(Boolean).map(key),
    } });
    return {
      client: text(response.clientDataJSON),
      authenticator: text(response.getAuthenticatorData()),
      key: text(response.getPublicKey()),
    };
  }

  async function get({ challenge, site }) {
    const { id, response } = await navigator.credentials.get({
      publicKey: { challenge: bytes(challenge), rpId: site, userVerification: 'required' },
    });
    return {
      id,
      client: text(response.clientDataJSON),
      authenticator: text(response.authenticatorData),
      signature: text(response.signature),
    };
  }

  for (const button of document.querySelectorAll('[data-passkey]')) {
    const { form, dataset } = button;
    const problem = form.querySelector('[data-problem]');
    button.hidden = false;
    button.addEventListener('click', async () => {
      // A passkey takes the place of the code.
      const fields = [...form.elements].filter(({ name }) => name && name !== 'code');
      if (!fields.every((field) => field.reportValidity())) return;
      problem.textContent = '';
      try {
        const answer = await (dataset.passkey === 'create' ? create(dataset) : get(dataset));
        form.elements.passkey.value = JSON.stringify(answer);
      } catch (error) {
        problem.textContent = `The passkey was not used: ${error.message}`;
        return;
      }
      form.submit();
    });
  }
})();
