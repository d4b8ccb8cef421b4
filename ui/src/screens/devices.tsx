// Who is let in by this app: devices, new ones, and shutting one out.
import { useEffect, useState } from "preact/hooks";
import { ApiError, call, get, post } from "../api/client.ts";
import type { DeviceBody, DeviceList, Me, PairingBody } from "../api/types.gen.ts";
import { Icon } from "../parts/icons.tsx";
import { Text } from "../parts/words.tsx";
import { canAct, unpaired } from "../state/store.ts";
import { ago, clock } from "../text/when.ts";

const ROLES: Record<string, string> = { owner: "owner: may do everything", approver: "approver: decides and writes", observer: "observer: looks" };

export function Devices() {
  const [me, setMe] = useState<Me | null>(null);
  const [devices, setDevices] = useState<DeviceBody[] | null>(null);
  const [offer, setOffer] = useState<PairingBody | null>(null);
  const [sure, setSure] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const load = async (): Promise<void> => {
    const who = await get<Me>("/me");
    setMe(who);
    if (who.role === "owner") setDevices((await get<DeviceList>("/devices")).devices.filter((one) => one.revoked_at === null));
  };
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    setProblem(null);
    try {
      await work();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return unpaired();
      setProblem(error instanceof Error ? error.message : "That did not work");
    }
  };
  useEffect(() => void attempt(load), []);
  const revoke = (id: string): void => {
    if (sure !== id) return setSure(id);
    void attempt(async () => {
      await call<DeviceBody>("DELETE", `/devices/${id}`);
      if (id === me?.device_id) return unpaired();
      await load();
    });
  };
  return (
    <section class="panel" aria-labelledby="devices">
      <h2 id="devices">Devices</h2>
      {me !== null && (
        <p class="muted">
          {me.device === null ? "This browser is let in without pairing" : "This device is an "}
          {me.device !== null && <b>{ROLES[me.role] ?? me.role}</b>}.
        </p>
      )}
      {devices !== null && devices.length > 0 && (
        <ul class="devices">
          {devices.map((one) => (
            <li key={one.device_id}>
              <Icon name="phone" />
              <span>
                <b>
                  <Text text={one.name} />
                </b>
                <span class="muted">
                  {one.current ? "This device" : `Seen ${ago(one.seen_at) === "now" ? "just now" : `${ago(one.seen_at)} ago`}`}, {one.role}
                </span>
              </span>
              <button class="btn quiet" aria-disabled={!canAct.value} onClick={() => revoke(one.device_id)}>
                {sure === one.device_id ? "Yes, shut it out" : one.current ? "Sign out" : "Shut out"}
              </button>
            </li>
          ))}
        </ul>
      )}
      {me !== null && me.role !== "owner" && me.device_id !== null && (
        <button class="btn" onClick={() => revoke(me.device_id ?? "")}>
          {sure === me.device_id ? "Yes, sign out" : "Sign out"}
        </button>
      )}
      {me?.role === "owner" && offer === null && (
        <div class="chips">
          {["owner", "approver", "observer"].map((role) => (
            <button key={role} class="chip" aria-disabled={!canAct.value} onClick={() => void attempt(async () => setOffer(await post<PairingBody>("/pairings", { role })))}>
              Pair an {role}'s device
            </button>
          ))}
        </div>
      )}
      {offer !== null && (
        <div class="offer">
          <p>
            On the new device open <code>{offer.link.split("/#")[0]}</code> and type
          </p>
          <p class="bigcode num">{offer.code}</p>
          <p class="muted">Good once, until {clock(offer.expires_at)}.</p>
          <button class="btn" onClick={() => void attempt(async () => (setOffer(null), load()))}>
            Done
          </button>
        </div>
      )}
      {problem !== null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}
