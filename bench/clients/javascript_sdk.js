// The works as the JS SDK does them: javascript_sdk.js WORK URL, with a data directory in BENCH_HOME.
'use strict';

const fs = require('fs');
const { getSdk } = require('balena-sdk');

const UUID = '8deb12a58e3b6d3920db1c2b6303d1ff';
const [GETS, AT_ONCE, ROWS, TAGS, LINES] = [200, 64, 10_000, 1_000, 100_000];

const works = {
	async gets(balena) {
		for (let n = 0; n < GETS; n++) await balena.models.device.get(UUID);
	},
	async at_once(balena) {
		await Promise.all(Array.from({ length: AT_ONCE }, () => balena.models.device.get(UUID)));
	},
	async list(balena) {
		const devices = await balena.models.device.getAllByApplication(1);
		if (devices.length !== ROWS) throw new Error(`${devices.length} devices`);
	},
	async tags(balena) {
		for (let n = 0; n < TAGS; n++) await balena.models.device.tags.set(UUID, 'site', String(n));
	},
	async logs(balena) {
		const log = await balena.logs.subscribe(UUID, { count: LINES });
		await new Promise((done, failed) => {
			let count = 0;
			log.on('line', () => ++count === LINES && done());
			log.on('error', failed);
		});
		log.unsubscribe();
	},
};

async function main(work, url) {
	const balena = getSdk({ apiUrl: url, dataDirectory: process.env.BENCH_HOME });
	await balena.auth.loginWithToken('0123456789abcdef0123456789abcdef');
	await balena.models.device.get(UUID);
	const [wall, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
	await works[work](balena);
	const [ended, spent] = [process.hrtime.bigint(), process.cpuUsage(cpu)];
	const status = fs.readFileSync('/proc/self/status', 'utf8');
	console.log(JSON.stringify({
		wall: Number(ended - wall) / 1e9,
		cpu: (spent.user + spent.system) / 1e6,
		peak_kib: Number(/^VmHWM:\s+(\d+)/m.exec(status)[1]),
	}));
	process.exit(0);
}

main(...process.argv.slice(2)).catch((error) => {
	console.error(error);
	process.exit(1);
});
