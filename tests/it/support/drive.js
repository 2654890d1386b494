// Runs what is called drive with the line of JSON that is read, and writes what it returns as one.
let text = '';
process.stdin.on('data', (chunk) => { text += chunk; });
process.stdin.on('end', async () => {
  try {
    console.log(JSON.stringify(await drive(JSON.parse(text))));
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
});
