/** The whole program, put together from one file for each command. */
import type { Cli } from "./cli.js";
import { commandGroup, type MeshCommand } from "./command.js";
import { auditCommand } from "./commands/audit.js";
import { backupCreateCommand } from "./commands/backup-create.js";
import { backupStatusCommand } from "./commands/backup-status.js";
import { benchEngineCommand, benchLinkCommand, benchRingCommand } from "./commands/bench.js";
import { completionCommand } from "./commands/completion.js";
import { composeGenerateCommand } from "./commands/compose-generate.js";
import { configShowCommand } from "./commands/config-show.js";
import { controlPlaneCommand } from "./commands/control-plane.js";
import { endpointAddCommand } from "./commands/endpoint-add.js";
import { endpointListCommand, endpointShowCommand } from "./commands/endpoint-list.js";
import { endpointRemoveCommand } from "./commands/endpoint-remove.js";
import { forwardCommand } from "./commands/forward.js";
import { fsckCommand } from "./commands/fsck.js";
import { grantAddCommand } from "./commands/grant-add.js";
import { grantExplainCommand } from "./commands/grant-explain.js";
import { grantListCommand } from "./commands/grant-list.js";
import { grantRemoveCommand } from "./commands/grant-remove.js";
import { healDryRunCommand } from "./commands/heal-dry-run.js";
import { healExplainCommand } from "./commands/heal-explain.js";
import { healHistoryCommand } from "./commands/heal-history.js";
import { healPauseCommand, healResumeCommand } from "./commands/heal-pause.js";
import { healStatusCommand } from "./commands/heal-status.js";
import { identityInitCommand } from "./commands/identity-init.js";
import { identityListCommand } from "./commands/identity-list.js";
import { identityListCollectivesCommand } from "./commands/identity-list-collectives.js";
import { identityRenewCommand } from "./commands/identity-renew.js";
import { identityShowCommand } from "./commands/identity-show.js";
import { identitySwitchCommand } from "./commands/identity-switch.js";
import { inferenceCommand } from "./commands/inference.js";
import { inferenceStatsCommand } from "./commands/inference-stats.js";
import { initCommand } from "./commands/init.js";
import { inviteGenerateCommand } from "./commands/invite-generate.js";
import { inviteListCommand } from "./commands/invite-list.js";
import { inviteRedeemCommand } from "./commands/invite-redeem.js";
import { inviteRevokeCommand } from "./commands/invite-revoke.js";
import { joinCommand } from "./commands/join.js";
import { keyCreateCommand } from "./commands/key-create.js";
import { keyListCommand } from "./commands/key-list.js";
import { keyRevokeCommand } from "./commands/key-revoke.js";
import { kvDelCommand } from "./commands/kv-del.js";
import { kvGetCommand } from "./commands/kv-get.js";
import { kvListCommand } from "./commands/kv-list.js";
import { kvPutCommand } from "./commands/kv-put.js";
import { kvTxnCommand } from "./commands/kv-txn.js";
import { kvWatchCommand } from "./commands/kv-watch.js";
import { layoutApplyCommand } from "./commands/layout-apply.js";
import { layoutRevertCommand } from "./commands/layout-revert.js";
import { layoutShowCommand } from "./commands/layout-show.js";
import { layoutStageCommand } from "./commands/layout-stage.js";
import { lockListCommand } from "./commands/lock-list.js";
import { lockReleaseCommand } from "./commands/lock-release.js";
import { lockRunCommand } from "./commands/lock-run.js";
import { lsCommand } from "./commands/ls.js";
import { mkdirCommand } from "./commands/mkdir.js";
import { modelAddCommand } from "./commands/model-add.js";
import { modelListCommand } from "./commands/model-list.js";
import { modelPlanCommand } from "./commands/model-plan.js";
import { modelRemoveCommand } from "./commands/model-remove.js";
import { modelShowCommand } from "./commands/model-show.js";
import { mvCommand } from "./commands/mv.js";
import { nodeAllowCommand } from "./commands/node-allow.js";
import { nodeDrainCommand } from "./commands/node-drain.js";
import { nodeIntroduceCommand } from "./commands/node-introduce.js";
import { nodeIntroducedCommand } from "./commands/node-introduced.js";
import { nodeListCommand } from "./commands/node-list.js";
import { nodeRemoveCommand } from "./commands/node-remove.js";
import { nodeUndrainCommand } from "./commands/node-undrain.js";
import { openCommand } from "./commands/open.js";
import { overlayStatusCommand } from "./commands/overlay-status.js";
import { peerAcceptCommand } from "./commands/peer-accept.js";
import { peerInviteCommand } from "./commands/peer-invite.js";
import { peerListCommand } from "./commands/peer-list.js";
import { peerRefreshCommand } from "./commands/peer-refresh.js";
import { peerRemoveCommand } from "./commands/peer-remove.js";
import { peerShowCommand } from "./commands/peer-show.js";
import { peersCommand } from "./commands/peers.js";
import { policyExplainCommand } from "./commands/policy-explain.js";
import { policyListCommand } from "./commands/policy-list.js";
import { policyRemoveCommand } from "./commands/policy-remove.js";
import { policySetCommand } from "./commands/policy-set.js";
import { poolCreateCommand } from "./commands/pool-create.js";
import { poolApproveCommand, poolRefuseCommand } from "./commands/pool-decide.js";
import { poolJoinCommand } from "./commands/pool-join.js";
import { poolListCommand } from "./commands/pool-list.js";
import { poolPairCommand } from "./commands/pool-pair.js";
import { poolPeersCommand } from "./commands/pool-peers.js";
import { poolRemoveCommand } from "./commands/pool-remove.js";
import { poolRequestsCommand } from "./commands/pool-requests.js";
import { poolStatusCommand } from "./commands/pool-status.js";
import { quotaListCommand } from "./commands/quota-list.js";
import { quotaOfferCommand } from "./commands/quota-offer.js";
import { quotaWithdrawCommand } from "./commands/quota-withdraw.js";
import { readCommand } from "./commands/read.js";
import { relayCommand } from "./commands/relay.js";
import { restoreCommand } from "./commands/restore.js";
import { revokeCommand } from "./commands/revoke.js";
import { ringStatusCommand } from "./commands/ring-status.js";
import { rmCommand } from "./commands/rm.js";
import { routesCommand } from "./commands/routes.js";
import { serviceAddCommand } from "./commands/service-add.js";
import { serviceListCommand } from "./commands/service-list.js";
import { serviceRemoveCommand } from "./commands/service-remove.js";
import { statCommand } from "./commands/stat.js";
import { statusCommand } from "./commands/status.js";
import { storeMembersCommand } from "./commands/store-members.js";
import { storeMigrateCommand } from "./commands/store-migrate.js";
import { storeRestoreCommand } from "./commands/store-restore.js";
import { storeSnapshotCommand } from "./commands/store-snapshot.js";
import { storeStatusCommand } from "./commands/store-status.js";
import { trashEmptyCommand } from "./commands/trash-empty.js";
import { trashListCommand } from "./commands/trash-list.js";
import { trashRestoreCommand } from "./commands/trash-restore.js";
import { startCommand, upCommand } from "./commands/up.js";
import { versionCommand } from "./commands/version.js";
import { workerListCommand } from "./commands/worker-list.js";
import { workerRunCommand } from "./commands/worker-run.js";
import { workerSetCommand } from "./commands/worker-set.js";
import { writeCommand } from "./commands/write.js";
import { type CommandDescription, describeCommand } from "./describe.js";

/** `name` is the one under which the program was started. */
export function buildProgram(cli: Cli, name = "mesh"): MeshCommand {
  const program: MeshCommand = commandGroup(
    name,
    "One private mesh out of the machines that you and your friends own",
    [
      initCommand(cli),
      upCommand(cli),
      startCommand(cli),
      joinCommand(cli),
      statusCommand(cli),
      openCommand(cli),
      ...fileCommands(cli),
      trashGroup(cli),
      ...keyValueGroups(cli),
      commandGroup("invite", "invite machines and people, and redeem invites", [
        inviteGenerateCommand(cli),
        inviteRedeemCommand(cli),
        inviteListCommand(cli),
        inviteRevokeCommand(cli),
      ]),
      identityGroup(cli),
      poolGroup(cli),
      peerGroup(cli),
      peersCommand(cli),
      routesCommand(cli),
      commandGroup("service", "programs on any node, reached through the mesh", [
        serviceAddCommand(cli),
        serviceListCommand(cli),
        serviceRemoveCommand(cli),
      ]),
      forwardCommand(cli),
      ...inferenceCommands(cli),
      nodeGroup(cli),
      commandGroup("grant", "who may do what, where, and why", [
        grantAddCommand(cli),
        grantListCommand(cli),
        grantRemoveCommand(cli),
        grantExplainCommand(cli),
      ]),
      commandGroup("key", "API keys for programs on other machines", [
        keyCreateCommand(cli),
        keyListCommand(cli),
        keyRevokeCommand(cli),
      ]),
      layoutGroup(cli),
      ...copiesGroups(cli),
      ...recoveryCommands(cli),
      storeGroup(cli),
      ...upkeepCommands(cli),
      relayCommand(cli),
      controlPlaneCommand(cli),
      revokeCommand(cli),
      auditCommand(cli),
      commandGroup("config", "the configuration of the node", [configShowCommand(cli)]),
      commandGroup("compose", "a mesh in containers", [composeGenerateCommand(cli)]),
      completionCommand(cli, () => describeCommand(program)),
      versionCommand(cli),
    ],
  );
  return program
    .enablePositionalOptions()
    .option("-V, --version", "the same as the command version")
    .withExamples(
      "mesh up",
      "mesh invite generate --grant /shared:read+write",
      "mesh write /shared/photo.jpg photo.jpg",
    );
}

function inferenceCommands(cli: Cli): MeshCommand[] {
  return [
    inferenceCommand(cli),
    inferenceStatsCommand(cli),
    commandGroup("overlay", "the network over networks that this node is in", [
      overlayStatusCommand(cli),
    ]),
    commandGroup("ring", "which member holds which part of a model", [ringStatusCommand(cli)]),
    commandGroup("bench", "how fast engines, links and rings of this pool really are", [
      benchEngineCommand(cli),
      benchLinkCommand(cli),
      benchRingCommand(cli),
    ]),
    commandGroup("model", "the models that this member has", [
      modelAddCommand(cli),
      modelListCommand(cli),
      modelShowCommand(cli),
      modelRemoveCommand(cli),
      modelPlanCommand(cli),
    ]),
    commandGroup("endpoint", "servers that already run models and take whole requests", [
      endpointAddCommand(cli),
      endpointListCommand(cli),
      endpointShowCommand(cli),
      endpointRemoveCommand(cli),
    ]),
  ];
}

function upkeepCommands(cli: Cli): MeshCommand[] {
  return [
    fsckCommand(cli),
    commandGroup("worker", "what runs in the background: look, throttle, start", [
      workerListCommand(cli),
      workerSetCommand(cli),
      workerRunCommand(cli),
    ]),
    commandGroup("heal", "what broke, what was done about it, and how to stop that for a while", [
      healStatusCommand(cli),
      healHistoryCommand(cli),
      healExplainCommand(cli),
      healPauseCommand(cli),
      healResumeCommand(cli),
      healDryRunCommand(cli),
    ]),
  ];
}

function trashGroup(cli: Cli): MeshCommand {
  return commandGroup("trash", "what was removed and can be had back", [
    trashListCommand(cli),
    trashRestoreCommand(cli),
    trashEmptyCommand(cli),
  ]);
}

function identityGroup(cli: Cli): MeshCommand {
  return commandGroup("identity", "who you are, and which collectives you have joined", [
    identityInitCommand(cli),
    identityShowCommand(cli),
    identitySwitchCommand(cli),
    identityListCollectivesCommand(cli),
    identityListCommand(cli),
    identityRenewCommand(cli),
  ]);
}

function recoveryCommands(cli: Cli): MeshCommand[] {
  return [
    commandGroup("backup", "what brings this member back when its home is gone", [
      backupCreateCommand(cli),
      backupStatusCommand(cli),
    ]),
    restoreCommand(cli),
  ];
}

function copiesGroups(cli: Cli): MeshCommand[] {
  return [
    commandGroup("policy", "how many copies there are of what, and in how many homes", [
      policySetCommand(cli),
      policyListCommand(cli),
      policyRemoveCommand(cli),
      policyExplainCommand(cli),
    ]),
    commandGroup("quota", "how much members keep for each other", [
      quotaOfferCommand(cli),
      quotaListCommand(cli),
      quotaWithdrawCommand(cli),
    ]),
  ];
}

function nodeGroup(cli: Cli): MeshCommand {
  return commandGroup("node", "the machines of this member, and nodes of others", [
    nodeListCommand(cli),
    nodeDrainCommand(cli),
    nodeUndrainCommand(cli),
    nodeRemoveCommand(cli),
    nodeAllowCommand(cli),
    nodeIntroduceCommand(cli),
    nodeIntroducedCommand(cli),
  ]);
}

function fileCommands(cli: Cli): MeshCommand[] {
  return [
    mkdirCommand(cli),
    writeCommand(cli),
    readCommand(cli),
    lsCommand(cli),
    statCommand(cli),
    mvCommand(cli),
    rmCommand(cli),
  ];
}

function peerGroup(cli: Cli): MeshCommand {
  return commandGroup("peer", "other members that this one trusts for their own people", [
    peerInviteCommand(cli),
    peerAcceptCommand(cli),
    peerListCommand(cli),
    peerShowCommand(cli),
    peerRefreshCommand(cli),
    peerRemoveCommand(cli),
  ]);
}

function poolGroup(cli: Cli): MeshCommand {
  return commandGroup("pool", "machines of this member that run AI models together", [
    poolCreateCommand(cli),
    poolJoinCommand(cli),
    poolListCommand(cli),
    poolPeersCommand(cli),
    poolStatusCommand(cli),
    poolRequestsCommand(cli),
    poolApproveCommand(cli),
    poolRefuseCommand(cli),
    poolPairCommand(cli),
    poolRemoveCommand(cli),
  ]);
}

function layoutGroup(cli: Cli): MeshCommand {
  return commandGroup("layout", "who keeps how much: changes are staged, shown, then applied", [
    layoutShowCommand(cli),
    layoutStageCommand(cli),
    layoutApplyCommand(cli),
    layoutRevertCommand(cli),
  ]);
}

function storeGroup(cli: Cli): MeshCommand {
  return commandGroup("store", "where the member's records are kept: health, copies, engine", [
    storeStatusCommand(cli),
    storeMembersCommand(cli),
    storeSnapshotCommand(cli),
    storeRestoreCommand(cli),
    storeMigrateCommand(cli),
  ]);
}

function keyValueGroups(cli: Cli): MeshCommand[] {
  return [
    commandGroup("kv", "keys and values that all programs of the member agree on", [
      kvPutCommand(cli),
      kvGetCommand(cli),
      kvDelCommand(cli),
      kvListCommand(cli),
      kvWatchCommand(cli),
      kvTxnCommand(cli),
    ]),
    commandGroup("lock", "one holder at a time, anywhere in the member", [
      lockRunCommand(cli),
      lockListCommand(cli),
      lockReleaseCommand(cli),
    ]),
  ];
}

/** The program as data, with the name `mesh`. `cli` is not used until a command runs. */
export function describeProgram(cli: Cli): CommandDescription {
  return describeCommand(buildProgram(cli));
}
